"""Interpolation: how much of a concept there is at each strength of its vector.

Entry points: `Interpolation`, `plan_interpolation`, `interpolation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from detectors import Sign
from evaluation.bench import Bench
from evaluation.condition import Condition
from evaluation.gallery import Gallery
from evaluation.measures import Share
from evaluation.methods import Method
from evaluation.parts import all_obeyed
from evaluation.prompts import Prompt
from evaluation.wish import wishes_for

STRENGTHS: Final = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
"""Multiples of the recommended strength."""


@dataclass(frozen=True)
class Interpolation:
    """How many pictures show a concept as its strength grows."""

    concept: str
    method: str
    strengths: tuple[float, ...]
    """Multiples of the recommended strength."""
    shown: tuple[Share, ...]
    """Share of pictures that show the concept, at each strength."""
    profession: tuple[Share, ...]
    """Share of pictures that keep the profession, at each strength."""
    is_monotone: bool
    """Whether the share of pictures that show it falls nowhere as the strength grows."""
    largest_fall: float
    """The most that it falls from one strength to the next; 0 where it falls nowhere."""


def plan_interpolation(
    bench: Bench, concept: str, method: Method, prompts: Sequence[Prompt], strengths: Sequence[float]
) -> tuple[Condition, ...]:
    """Return a condition for each strength; what has strength 0 is the plain model's."""
    return tuple(
        Condition(
            f"strength {strength:g}",
            bench.plain if strength == 0 else method,
            (concept,),
            wishes_for(
                prompts,
                bench.images_per_prompt,
                bench.sampling,
                bench.seed,
                choices=[(concept,)],
                strength=strength,
            ),
        )
        for strength in strengths
    )


def interpolation(
    concept: str, method: Method, conditions: Sequence[Condition], sign: Sign, gallery: Gallery
) -> Interpolation:
    """Count what the pictures of each strength show."""
    shown = tuple(
        all_obeyed(condition.wishes, gallery.readings(condition), {concept: sign}) for condition in conditions
    )
    falls = [before.value - after.value for before, after in pairwise(shown)]
    return Interpolation(
        concept=concept,
        method=method.name,
        strengths=tuple(condition.wishes[0].strength for condition in conditions),
        shown=shown,
        profession=tuple(gallery.kept(condition, "profession") for condition in conditions),
        is_monotone=all(fall <= 0 for fall in falls),
        largest_fall=max([0.0, *falls]),
    )
