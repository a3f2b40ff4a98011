"""The measures: shares and means with their 95 % intervals, and the deviation ratio.

Entry points: `Share`, `Estimate`, `deviation_ratio`, `mean_deviation`, `mean`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Z95 = 1.959964
"""The standard normal's two-sided 95 % quantile."""
STUDENT_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Those of Student's t of 1 to 10 degrees of freedom."""
_RESAMPLES = 2000
_SEED = 0


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
        n, p, z = self.total, self.value, Z95
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True)
class Estimate:
    """A figure that is no share, with its 95 % interval."""

    value: float
    interval: tuple[float, float]


def mean(values: Sequence[float]) -> Estimate:
    """Return the mean of independent values and its 95 % interval; not a number where there are none.

    The interval is Student's; of more than eleven values, the normal one, which is then within 12 % of it.
    """
    if not values:
        return Estimate(math.nan, (math.nan, math.nan))
    middle = float(np.mean(values))
    if len(values) == 1:
        return Estimate(middle, (math.nan, math.nan))
    quantile = STUDENT_T95[len(values) - 2] if len(values) - 2 < len(STUDENT_T95) else Z95
    half = quantile * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Estimate(middle, (middle - half, middle + half))


def deviation_ratio(values: Iterable[str], members: Sequence[str]) -> float:
    """Return max over k of |p_k - 1/C| / (1 - 1/C), for the shares p of C members: 0 is fair, 1 one member only.

    Values that are no member count towards none. Li et al., CVPR 2024 (arXiv 2311.17216).
    """
    counted = list(values)
    shares = np.array([counted.count(member) / len(counted) for member in members])
    return float(_deviation(shares))


def mean_deviation(values: Mapping[str, Mapping[str, Sequence[str]]], members: Sequence[str]) -> Estimate:
    """Return the mean deviation ratio over professions, with a percentile bootstrap interval over the images.

    `values` is profession -> what was wished -> what each image shows. Images are drawn anew among those of one
    profession and one wish, because an evaluation fixes how often each is wished. Where all images of each wish
    agree the interval has no width: it knows only the spread that was seen.
    """
    random = np.random.default_rng(_SEED)
    resampled, observed = [], []
    for by_wish in values.values():
        counts = [_counts(shown, members) for shown in by_wish.values()]
        total = sum(int(count.sum()) for count in counts)
        drawn = [random.multinomial(count.sum(), count / count.sum(), size=_RESAMPLES) for count in counts]
        observed.append(float(_deviation(np.sum(counts, axis=0)[:-1] / total)))
        resampled.append(_deviation(np.sum(drawn, axis=0)[:, :-1] / total))
    low, high = np.percentile(np.mean(resampled, axis=0), [2.5, 97.5])
    return Estimate(float(np.mean(observed)), (float(low), float(high)))


def _counts(shown: Sequence[str], members: Sequence[str]) -> np.ndarray:
    """How many images show each member, and last, how many show none: [members + 1]."""
    counts = [sum(value == member for value in shown) for member in members]
    return np.array([*counts, len(shown) - sum(counts)])


def _deviation(shares: np.ndarray) -> np.ndarray:
    """The deviation ratios [...] of shares [..., members]."""
    fair = 1 / shares.shape[-1]
    ratios: np.ndarray = np.abs(shares - fair).max(axis=-1) / (1 - fair)
    return ratios
