"""Whether this replica shuts down, and how long it gives to what it has begun.

Entry point: `Draining`, made with the app.
"""

import asyncio
import time
from collections.abc import Callable

GRACE_S = 25.0
"""How long a shutdown waits for what has begun; Kubernetes kills after 30 s."""


class Draining:
    """Begins once, on the event loop, and has two steps.

    From its beginning on the replica is not ready and takes on no jobs; requests are still served, until whoever sends
    them has heard of it. Once it `leaves`, connections that would stay open are ended. After the grace period, which
    counts from the beginning, all is let go.
    """

    def __init__(self, grace_s: float = GRACE_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._grace_s, self._clock = grace_s, clock
        self._begun, self._left, self._ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._ends_s: float | None = None

    def begin(self) -> None:
        """Let the grace period begin, where it has not."""
        if not self.has_begun:
            self._ends_s = self._clock() + self._grace_s
            self._begun.set()

    def leave(self) -> None:
        """Begin, and end what would stay open."""
        self.begin()
        self._left.set()

    def end(self) -> None:
        """Let the grace period be over, and who waits for what is not finished hear of it."""
        self.leave()
        self._ends_s = self._clock()
        self._ended.set()

    def cut_short(self) -> None:
        """Let the grace period be over when it begins, or now; safe to call from a signal handler."""
        self._grace_s, self._ends_s = 0.0, self._clock()

    @property
    def has_begun(self) -> bool:
        """Whether nothing new is to be sent here."""
        return self._begun.is_set()

    @property
    def has_left(self) -> bool:
        """Whether connections that would stay open are to be ended."""
        return self._left.is_set()

    @property
    def is_over(self) -> bool:
        """Whether what is not finished is to be let go."""
        return self.has_begun and (self._ends_s is None or self._ends_s <= self._clock())

    @property
    def left_s(self) -> float:
        """How much of the grace period is left, in seconds; all of it before it begins."""
        return self._grace_s if self._ends_s is None else max(0.0, self._ends_s - self._clock())

    async def ended(self) -> None:
        """Wait until the grace period is over."""
        await self._ended.wait()

    async def begins_within(self, seconds: float) -> bool:
        """Wait for so long, or until it begins; return whether it has."""
        return await _is_set_within(self._begun, seconds)

    async def leaves_within(self, seconds: float) -> bool:
        """Wait for so long, or until it leaves; return whether it has."""
        return await _is_set_within(self._left, seconds)


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
