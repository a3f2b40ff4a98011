"""The fairness ledger in Redis.

Entry points: `RedisLedger`, `LEDGER_KEPT_S`.
"""

from collections.abc import Mapping, Sequence
from typing import Final, cast

from policies.ledger import shares_of
from service.state.redis_client import KEY_PREFIX, RedisClient, reached

LEDGER_KEPT_S: Final = 90 * 24 * 3600
"""A key of the ledger is forgotten this long after it was last taken from, so that abandoned ones do not pile up."""


class RedisLedger:
    """A `policies.ledger.Ledger` for all replicas on one Redis: one hash a key, counted by Lua scripts.

    A call that the caller gives up on may have been counted; it shifts the shares by that one request, no more.
    """

    def __init__(self, client: RedisClient) -> None:
        self._commands = client.commands
        self._take = client.step("ledger_take")
        self._give_back = client.step("ledger_give_back")

    def take(self, key: str, target: Mapping[str, float], count: int) -> list[str]:
        """Choose `count` members one after another, each the most underserved, and count them."""
        shares = [text for member, share in shares_of(target).items() for text in (member, repr(share))]
        return list(self._take([_key(key)], [count, LEDGER_KEPT_S, *shares]))

    def served(self, key: str) -> Mapping[str, int]:
        """Return how many images each member has been given; those without any are absent."""
        with reached():
            counts = cast(Mapping[str, str], self._commands.hgetall(_key(key)))
        return {member: int(count) for member, count in counts.items()}

    def give_back(self, key: str, members: Sequence[str]) -> None:
        """Count these members once less each, never below nothing."""
        self._give_back([_key(key)], list(members))


def _key(key: str) -> str:
    return f"{KEY_PREFIX}ledger:{key}"
