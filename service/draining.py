"""Whether this replica shuts down, and how long it gives to what it has begun.

Entry point: `Draining`, made with the app.
"""

import asyncio
import time
from collections.abc import Callable

GRACE_S = 25
"""How long a shutdown waits for what has begun; Kubernetes kills after 30 s."""


class Draining:
    """Begins once, on the event loop: nothing new is taken on from then on; after the grace period all is let go."""

    def __init__(self, grace_s: float = GRACE_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._grace_s, self._clock = grace_s, clock
        self._begun = asyncio.Event()
        self._ends_s: float | None = None

    def begin(self) -> None:
        """Let the grace period begin, where it has not."""
        if not self.has_begun:
            self._ends_s = self._clock() + self._grace_s
            self._begun.set()

    def cut_short(self) -> None:
        """Let the grace period be over when it begins, or now; safe to call from a signal handler."""
        self._grace_s, self._ends_s = 0.0, self._clock()

    @property
    def has_begun(self) -> bool:
        """Whether nothing new is to be taken on."""
        return self._begun.is_set()

    @property
    def is_over(self) -> bool:
        """Whether what is not finished is to be let go."""
        return self.has_begun and (self._ends_s is None or self._ends_s <= self._clock())

    async def begins_within(self, seconds: float) -> bool:
        """Wait for so long, or until it begins; return whether it has."""
        try:
            async with asyncio.timeout(seconds):
                await self._begun.wait()
        except TimeoutError:
            return False
        return True
