"""Allowances of a single process.

Entry point: `MemoryAllowances`.
"""

import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from service.callers import Allowance
from service.errors import AllowanceExceeded
from service.state.allowances import HOLD_KEPT_S, PLACE_RETRY_S, WINDOW_S, Hold, limits_of

# Less than a wait that is one: sums of floats miss a whole window by this much at most.
_TOLERANCE_S = 1e-4


@dataclass
class _Used:
    """What one tenant has used."""

    due_s: dict[str, float] = field(default_factory=dict)
    """Limit -> when all that was counted against it will have grown back."""
    held: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Id of a hold -> its places, and until when they are kept."""


class MemoryAllowances:
    """An `allowances.Allowances` for the threads of one process.

    Rates are counted by the generic cell rate algorithm (ITU-T I.371, virtual scheduling): what is counted moves the
    time at which all of it will have grown back, and that time may lie a whole window ahead.
    """

    def __init__(
        self, *, hold_kept_s: float = HOLD_KEPT_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._used: defaultdict[str, _Used] = defaultdict(_Used)
        self._hold_kept_s = hold_kept_s
        self._clock = clock
        self._lock = Lock()

    def take(self, tenant: str, allowance: Allowance, images: int) -> Hold:
        """Count one request of so many images against each limit, or raise AllowanceExceeded."""
        rates, places = limits_of(allowance, images)
        hold = Hold(uuid.uuid4().hex, tenant, places=images if places else 0)
        with self._lock:
            used, now_s = self._used[tenant], self._clock()
            due_s = {
                rate.name: max(used.due_s.get(rate.name, now_s), now_s) + rate.count * WINDOW_S / rate.allowed
                for rate in rates
            }
            waits = [(due_s[rate.name] - now_s - WINDOW_S, rate) for rate in rates]
            if places and _held(used, now_s) + images > places.allowed:
                waits.append((PLACE_RETRY_S, places))
            wait_s, limit = max(waits, key=lambda wait: wait[0], default=(0.0, None))
            if limit and wait_s > _TOLERANCE_S:
                raise AllowanceExceeded(limit.name, limit.allowed, wait_s)
            used.due_s.update(due_s)
            self._keep(hold)
        return hold

    def renew(self, hold: Hold) -> None:
        """Keep its places for as long again."""
        with self._lock:
            self._keep(hold)

    def release(self, hold: Hold) -> None:
        """Give its places back."""
        with self._lock:
            self._used[hold.tenant].held.pop(hold.id, None)

    def _keep(self, hold: Hold) -> None:
        if hold.places:
            self._used[hold.tenant].held[hold.id] = hold.places, self._clock() + self._hold_kept_s


def _held(used: _Used, now_s: float) -> int:
    """Forget what is kept no longer, and return how many places are."""
    used.held = {id: (places, until_s) for id, (places, until_s) in used.held.items() if until_s > now_s}
    return sum(places for places, _ in used.held.values())
