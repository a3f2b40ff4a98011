"""Where the time of a start went.

Entry point: `Stopwatch`.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Stopwatch:
    """Seconds by the name of what they were spent on, in order."""

    def __init__(self, spent_s: Mapping[str, float] | None = None) -> None:
        """Go on from what was spent before."""
        self.spent_s = dict(spent_s or {})

    @contextmanager
    def spent_on(self, what: str) -> Iterator[None]:
        """Count the time until the block ends, however it does."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.spent_s[what] = self.spent_s.get(what, 0.0) + time.perf_counter() - begin
