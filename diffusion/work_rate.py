"""How fast the engine works, so that who has to wait can be told for how long. Pure: no clock of its own.

Entry point: `WorkRate`.
"""

from __future__ import annotations

_TURNS = 20


class WorkRate:
    """The work done a second over about the last 20 turns, steps and decoding together.

    Work is in the unit of `Ticket.work`: U-Net rows of the model's own size x steps.
    """

    def __init__(self) -> None:
        self._work = self._seconds = 0.0

    def take(self, work: float, seconds: float) -> None:
        """Take a turn into the average; one that only decoded did no work and took time all the same."""
        kept = 1 - 1 / _TURNS
        self._work, self._seconds = kept * self._work + work, kept * self._seconds + seconds

    def seconds_for(self, work: float) -> float | None:
        """How long that much work takes; None where none has been done yet."""
        return work * self._seconds / self._work if self._work > 0 else None
