"""What generation counts with while the shared state cannot be reached: this process's own memory, openly.

Entry point: `Degrading`.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Event, Lock, Thread
from typing import Final, TypeVar

from policies.ledger import Ledger
from policies.memory_ledger import MemoryLedger
from service.callers import Allowance
from service.errors import StateUnavailableError
from service.state.allowances import Allowances, Hold
from service.state.memory_allowances import MemoryAllowances
from service.state.shared import SharedState

logger = logging.getLogger(__name__)

DEGRADING: Final = frozenset({"allowances", "ledger"})
"""What can be counted by a process alone."""

Result = TypeVar("Result")


class Degrading:
    """The ledger and the allowances of a shared state, counted by this process alone while it cannot be reached.

    The call that finds it gone waits for it, as long as the store's calls do; those after it do not. A thread looks for
    it until it is back. What was counted alone stays alone: each replica met its targets and limits by itself.
    """

    def __init__(self, shared: SharedState, *, look_every_s: float = 1.0) -> None:
        self._outage = _Outage(shared, look_every_s)
        self.ledger: Ledger = _DegradingLedger(shared.ledger, self._outage)
        self.allowances: Allowances = _DegradingAllowances(shared.allowances, self._outage)

    @property
    def degraded(self) -> frozenset[str]:
        """What this process counts alone now: "ledger", "allowances", or nothing."""
        return DEGRADING if self._outage.is_on else frozenset()

    def close(self) -> None:
        """Look for the shared state no longer."""
        self._outage.close()


class _Outage:
    """Whether the shared state is away; from its beginning a thread looks for its end."""

    def __init__(self, shared: SharedState, look_every_s: float) -> None:
        self._shared = shared
        self._look_every_s = look_every_s
        self._lock = Lock()
        self._closed = Event()
        self._looking: Thread | None = None
        self.is_on = False

    def unless(self, there: Callable[[], Result], here: Callable[[], Result]) -> Result:
        """Do it there; or, while that cannot be reached, here."""
        if not self.is_on:
            try:
                return there()
            except StateUnavailableError:
                self._begin()
        return here()

    def close(self) -> None:
        self._closed.set()
        if self._looking is not None:
            self._looking.join()

    def _begin(self) -> None:
        with self._lock:
            if self.is_on or self._closed.is_set():
                return
            self.is_on = True
            logger.warning(
                "The shared state cannot be reached: until it is back, this process counts the ledger and the "
                "allowances alone."
            )
            self._looking = Thread(target=self._look, name="looking for the shared state", daemon=True)
            self._looking.start()

    def _look(self) -> None:
        began_s = time.monotonic()
        while not self._closed.wait(self._look_every_s):
            try:
                self._shared.check()
            except StateUnavailableError:
                continue
            with self._lock:
                self.is_on = False
            logger.warning("The shared state is back after %.1f s.", time.monotonic() - began_s)
            return


class _DegradingLedger:
    """What is taken during an outage and given back after it, or the other way round, shifts the shares by as much."""

    def __init__(self, there: Ledger, outage: _Outage) -> None:
        self._there = there
        self._here = MemoryLedger()
        self._outage = outage

    def take(self, key: str, target: Mapping[str, float], count: int) -> list[str]:
        return self._outage.unless(
            lambda: self._there.take(key, target, count), lambda: self._here.take(key, target, count)
        )

    def served(self, key: str) -> Mapping[str, int]:
        return self._outage.unless(lambda: self._there.served(key), lambda: self._here.served(key))

    def give_back(self, key: str, members: Sequence[str]) -> None:
        self._outage.unless(
            lambda: self._there.give_back(key, members), lambda: self._here.give_back(key, members)
        )


class _DegradingAllowances:
    """A hold is valid on either side: renewing it counts its places where they are counted now."""

    def __init__(self, there: Allowances, outage: _Outage) -> None:
        self._there = there
        self._here = MemoryAllowances()
        self._outage = outage

    def take(self, tenant: str, allowance: Allowance, images: int, *, waits_as: str | None = None) -> Hold:
        return self._outage.unless(
            lambda: self._there.take(tenant, allowance, images, waits_as=waits_as),
            lambda: self._here.take(tenant, allowance, images, waits_as=waits_as),
        )

    def renew(self, hold: Hold) -> None:
        self._outage.unless(lambda: self._there.renew(hold), lambda: self._here.renew(hold))

    def release(self, hold: Hold) -> None:
        self._here.release(hold)
        self._outage.unless(lambda: self._there.release(hold), lambda: None)
