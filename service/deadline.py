"""The time by which a request's images have to be made.

Entry point: `Deadline`.
"""

import time
from dataclasses import dataclass
from typing import Self

from service.errors import OutOfTimeError


@dataclass(frozen=True)
class Deadline:
    """A moment on `time.monotonic`, after which images are of no use."""

    timeout_s: float
    """What the request was given."""
    ends_s: float

    @classmethod
    def after(cls, timeout_s: float) -> Self:
        """Return the one that begins to run now."""
        return cls(timeout_s, time.monotonic() + timeout_s)

    @classmethod
    def at(cls, unix_s: float, timeout_s: float) -> Self:
        """Return that of a request which was given its time elsewhere: it ends so many seconds after 1970."""
        return cls(timeout_s, time.monotonic() + unix_s - time.time())

    def left_s(self) -> float:
        """Return how much time is left, in seconds; raise OutOfTimeError where none is."""
        left_s = self.ends_s - time.monotonic()
        if left_s <= 0:
            raise OutOfTimeError(self.timeout_s)
        return left_s
