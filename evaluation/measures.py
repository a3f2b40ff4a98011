"""The measures: shares with their intervals, and the deviation ratio.

Entry points: `Share`, `deviation_ratio`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_Z95 = 1.959964  # the standard normal's two-sided 95 % quantile


@dataclass(frozen=True)
class Share:
    """How many of how many, as a share with its 95 % interval."""

    hits: int
    total: int

    @classmethod
    def of(cls, hits: Iterable[bool]) -> Share:
        """Count hits."""
        counted = list(hits)
        return cls(sum(counted), len(counted))

    @property
    def value(self) -> float:
        """The share; not a number where nothing was counted."""
        return self.hits / self.total if self.total else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of Wilson (1927), which is sound at 0 and at 1 too."""
        if not self.total:
            return 0.0, 1.0
        n, p, z = self.total, self.value, _Z95
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, centre - half), min(1.0, centre + half)


def deviation_ratio(values: Iterable[str], members: Sequence[str]) -> float:
    """Return max over k of |p_k - 1/C| / (1 - 1/C), for the shares p of C members: 0 is fair, 1 one member only.

    Values that are no member count towards none. Li et al., CVPR 2024 (arXiv 2311.17216).
    """
    counted = list(values)
    fair = 1 / len(members)
    return max(abs(counted.count(member) / len(counted) - fair) for member in members) / (1 - fair)
