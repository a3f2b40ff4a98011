"""A ledger that counts in memory: that of a single process, or one to try things out on top of another.

Entry points: `MemoryLedger`, `ledger_key`.
"""

import json
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Final

from policies.ledger import Ledger, most_underserved, shares_of

MAX_LEDGER_KEYS: Final = 100_000
"""Of more keys, those that were taken from longest ago are forgotten: some tens of MiB at most."""


def ledger_key(digest: str, tenant: str, group: str, sets: Sequence[str], context: Sequence[str]) -> str:
    """Return the key of a counter: a policy's digest, a tenant, a group of prompts, and what is drawn.

    `sets` are those that the gate lets through: where a prompt states the gender, races are counted apart.
    `context` is what the target depends on beyond that.
    """
    return json.dumps([digest, tenant, group, list(sets), list(context)], separators=(",", ":"))


class MemoryLedger:
    """A `Ledger` for the threads of one process; of `beneath` it only reads what was served."""

    def __init__(self, beneath: Ledger | None = None, *, max_keys: int = MAX_LEDGER_KEYS) -> None:
        self._beneath = beneath
        self._served: OrderedDict[str, Counter[str]] = OrderedDict()
        self._max_keys = max_keys
        self._lock = Lock()

    def take(self, key: str, target: Mapping[str, float], count: int) -> list[str]:
        """Choose `count` members one after another, each the most underserved, and count them."""
        shares = shares_of(target)
        taken: list[str] = []
        with self._lock:
            served = self._served.setdefault(key, self._so_far(key))
            self._served.move_to_end(key)
            for _ in range(count):
                member = most_underserved(shares, served)
                served[member] += 1
                taken.append(member)
            while len(self._served) > self._max_keys:
                self._served.popitem(last=False)
        return taken

    def served(self, key: str) -> Mapping[str, int]:
        """Return how many images each member has been given; those without any are absent."""
        with self._lock:
            return dict(self._so_far(key))

    def give_back(self, key: str, members: Sequence[str]) -> None:
        """Count these members once less each, never below nothing."""
        with self._lock:
            # Counter's own difference ends at nothing.
            self._served[key] = self._so_far(key) - Counter(members)

    def _so_far(self, key: str) -> Counter[str]:
        if key in self._served or self._beneath is None:
            return self._served.get(key, Counter())
        return Counter(self._beneath.served(key))
