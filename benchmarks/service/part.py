"""What every part of the report is: a claim, whether it holds, and the figures that show it.

Entry points: `Part`, `quantile`, `growth`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One part of the report."""

    claim: str
    holds: bool
    figures: Mapping[str, object]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that so large a share of all does not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


def growth(values: Sequence[float]) -> float:
    """Return by what share the peak grows from the first to the second half, the first fifth left out as warm-up."""
    settled = values[len(values) // 5 :]
    first, second = settled[: len(settled) // 2], settled[len(settled) // 2 :]
    return max(second) / max(first) - 1 if first and second else 0.0
