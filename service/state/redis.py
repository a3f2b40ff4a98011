"""The shared state of several replicas, kept in one Redis.

Entry points: `RedisState`, `RedisLedger`. Every step that must be atomic is one Lua script.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from policies.ledger import shares_of
from service.errors import StateUnavailableError

logger = logging.getLogger(__name__)

KEY_PREFIX: Final = "trimtab:"
LEDGER_KEPT_S: Final = 90 * 24 * 3600
"""A key of the ledger is forgotten this long after it was last taken from, so that abandoned ones do not pile up."""

# At most this many connections a replica; what needs one more waits for one.
_MAX_CONNECTIONS = 16
_CONNECT_TIMEOUT_S = 1.0
_ANSWER_TIMEOUT_S = 2.0
_RETRY_AFTER_S = 5


class RedisLedger:
    """A `policies.ledger.Ledger` for all replicas on one Redis: one hash a key, counted by Lua scripts.

    A call that failed is not tried again by itself: an answer that was lost may have been counted, and a second try
    would count twice. So may one that the caller gives up on; it shifts the shares by that one request, no more.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._take = client.register_script(_script("take"))
        self._give_back = client.register_script(_script("give_back"))

    def take(self, key: str, target: Mapping[str, float], count: int) -> list[str]:
        """Choose `count` members one after another, each the most underserved, and count them."""
        shares = [text for member, share in shares_of(target).items() for text in (member, repr(share))]
        with _reached():
            taken: Any = self._take(keys=[_key(key)], args=[count, LEDGER_KEPT_S, *shares])
        return list(taken)

    def served(self, key: str) -> Mapping[str, int]:
        """Return how many images each member has been given; those without any are absent."""
        with _reached():
            counts = cast(Mapping[str, str], self._client.hgetall(_key(key)))
        return {member: int(count) for member, count in counts.items()}

    def give_back(self, key: str, members: Sequence[str]) -> None:
        """Count these members once less each, never below nothing."""
        with _reached():
            self._give_back(keys=[_key(key)], args=list(members))


class RedisState:
    """A `shared.SharedState` in Redis."""

    store: Literal["redis"] = "redis"

    def __init__(self, url: str) -> None:
        """Take the address of a Redis, redis:// or rediss:// (TLS); nothing is connected before it is used."""
        self._client = _client(url)
        self.ledger = RedisLedger(self._client)

    def check(self) -> None:
        """Raise StateUnavailableError where Redis does not answer."""
        with _reached():
            self._client.ping()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _client(url: str) -> redis.Redis:
    """The one place that knows what kind of address it is. What the URL says (?socket_timeout=5) wins."""
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=_MAX_CONNECTIONS,
        timeout=_ANSWER_TIMEOUT_S,
        socket_connect_timeout=_CONNECT_TIMEOUT_S,
        socket_timeout=_ANSWER_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )
    return redis.Redis.from_pool(pool)


@contextmanager
def _reached() -> Iterator[None]:
    """Turn whatever keeps Redis from doing its work into the one error that callers know."""
    try:
        yield
    except redis.RedisError as error:
        # The address and Redis's own words are for the log: clients read the error.
        logger.warning("Redis did not do its work: %s: %s", type(error).__name__, error)
        raise StateUnavailableError(_RETRY_AFTER_S) from error


def _key(key: str) -> str:
    return f"{KEY_PREFIX}ledger:{key}"


def _script(name: str) -> str:
    return Path(__file__).with_name(f"{name}.lua").read_text(encoding="utf-8")
