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
from service.state.allowances import HOLD_KEPT_S, PLACE_RETRY_S, RESERVED_S, WINDOW_S, Hold, limits_of

# Less than a wait that is one: sums of floats miss a whole window by this much at most.
_TOLERANCE_S = 1e-4


@dataclass
class _Used:
    """What one tenant has used."""

    due_s: dict[str, float] = field(default_factory=dict)
    """Limit -> when all that was counted against it will have grown back."""
    held: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Id of a hold -> its places, and until when they are kept."""
    reserved: dict[str, tuple[int, float]] = field(default_factory=dict)
    """The same of holds that wait for their places."""


class MemoryAllowances:
    """An `allowances.Allowances` for the threads of one process.

    Rates are counted by the generic cell rate algorithm (ITU-T I.371, virtual scheduling): what is counted moves the
    time at which all of it will have grown back, and that time may lie a whole window ahead.
    """

    def __init__(
        self,
        *,
        hold_kept_s: float = HOLD_KEPT_S,
        reserved_s: float = RESERVED_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._used: defaultdict[str, _Used] = defaultdict(_Used)
        self._hold_kept_s, self._reserved_s = hold_kept_s, reserved_s
        self._clock = clock
        self._lock = Lock()

    def take(self, tenant: str, allowance: Allowance, images: int, *, waits_as: str | None = None) -> Hold:
        """Count one request of so many images against each limit, or raise AllowanceExceeded."""
        rates, places = limits_of(allowance, images)
        hold = Hold(waits_as or uuid.uuid4().hex, tenant, places=images if places else 0)
        with self._lock:
            used, now_s = self._used[tenant], self._clock()
            due_s = {
                rate.name: max(used.due_s.get(rate.name, now_s), now_s) + rate.count * WINDOW_S / rate.allowed
                for rate in rates
            }
            waits = [(due_s[rate.name] - now_s - WINDOW_S, rate) for rate in rates]
            if (
                places
                and _taken(used, hold.id, now_s, is_waiting=waits_as is not None) > places.allowed - images
            ):
                waits.append((PLACE_RETRY_S, places))
            wait_s, limit = max(waits, key=lambda wait: wait[0], default=(0.0, None))
            if limit and wait_s > _TOLERANCE_S:
                if waits_as is not None and limit is places:
                    used.reserved[hold.id] = hold.places, now_s + self._reserved_s
                raise AllowanceExceeded(limit.name, limit.allowed, wait_s)
            used.due_s.update(due_s)
            used.reserved.pop(hold.id, None)
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


def _taken(used: _Used, id: str, now_s: float, *, is_waiting: bool) -> int:
    """Forget what is kept no longer, and return how many places others have than this hold.

    Who waits gives way to what is held and not to who else waits: they would keep each other waiting.
    """
    used.held, used.reserved = _kept(used.held, now_s), _kept(used.reserved, now_s)
    others = [used.held] if is_waiting else [used.held, used.reserved]
    return sum(places for one in others for other, (places, _) in one.items() if other != id)


def _kept(places: dict[str, tuple[int, float]], now_s: float) -> dict[str, tuple[int, float]]:
    return {id: (count, until_s) for id, (count, until_s) in places.items() if until_s > now_s}
