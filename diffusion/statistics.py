"""What the engine has done since it was made, in numbers that its thread writes and anybody may read.

Entry points: `EngineStatistics` (the writer), `Statistics` (what is read). Pure: no torch, no locks: one thread writes,
and a copy of a list of numbers is whole.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200)
"""Upper bounds of the buckets that durations are counted in."""
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Upper bounds of the buckets that sizes of batches are counted in."""
MOST_VECTORS = 8
"""Rows with so many vectors and rows with more are counted together."""


@dataclass(frozen=True)
class Distribution:
    """Values counted in buckets."""

    bounds: Sequence[float]
    """The largest value of each bucket; one more bucket is for what is above."""
    counts: Sequence[int]
    """[bounds + 1]."""
    total: float
    """The sum of all values."""


@dataclass(frozen=True)
class Statistics:
    """What the engine has done by now, and what it is at."""

    waiting_rows: int
    """Rows in the queue."""
    running_rows: int
    """Rows that take steps."""
    step_rows: Distribution
    """Rows in each step."""
    step_unet_rows: Distribution
    """U-Net rows in each step: two a row with guidance, one without."""
    step_s: Distribution
    """Seconds of each step; on a GPU it begins when the one before has ended there."""
    queue_s: Distribution
    """Seconds that each row waited for its first step."""
    decode_s: Distribution
    """Seconds of each decoding of a few finished rows."""
    finished_rows: Sequence[int]
    """[9]: rows made with 0, 1, ... vectors; the last with `MOST_VECTORS` or more."""
    failures: int
    """How often the engine failed in an unforeseen way."""
    out_of_memory: int
    """How often a step did not fit into the device's memory."""


class Tally:
    """Counts values in buckets."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def read(self) -> Distribution:
        """Return what was counted."""
        return Distribution(self._bounds, self._counts.copy(), self._total)


class EngineStatistics:
    """Written by the engine's thread alone."""

    def __init__(self) -> None:
        self._step_rows, self._step_unet_rows = Tally(ROWS), Tally(ROWS)
        self._step_s, self._queue_s, self._decode_s = Tally(SECONDS), Tally(SECONDS), Tally(SECONDS)
        self._finished_rows = [0] * (MOST_VECTORS + 1)
        self._failures = self._out_of_memory = 0

    def started(self, waited_s: float) -> None:
        """Count a row that has left the queue."""
        self._queue_s.add(waited_s)

    def stepped(self, rows: int, unet_rows: int, seconds: float) -> None:
        """Count a step."""
        self._step_rows.add(rows)
        self._step_unet_rows.add(unet_rows)
        self._step_s.add(seconds)

    def decoded(self, seconds: float) -> None:
        """Count the decoding of a few rows."""
        self._decode_s.add(seconds)

    def finished(self, vectors: int) -> None:
        """Count a row that was made with so many vectors."""
        self._finished_rows[min(vectors, MOST_VECTORS)] += 1

    def failed(self) -> None:
        """Count a failure of the engine itself."""
        self._failures += 1

    def ran_out_of_memory(self) -> None:
        """Count a step that did not fit."""
        self._out_of_memory += 1

    def read(self, *, waiting_rows: int, running_rows: int) -> Statistics:
        """Return what was counted, with what the queue says now."""
        return Statistics(
            waiting_rows=waiting_rows,
            running_rows=running_rows,
            step_rows=self._step_rows.read(),
            step_unet_rows=self._step_unet_rows.read(),
            step_s=self._step_s.read(),
            queue_s=self._queue_s.read(),
            decode_s=self._decode_s.read(),
            finished_rows=self._finished_rows.copy(),
            failures=self._failures,
            out_of_memory=self._out_of_memory,
        )
