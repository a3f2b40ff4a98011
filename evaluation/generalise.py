"""Generalisation: vectors on subjects, professions, scenes and sizes that they were not learned on.

Entry point: `Generalise`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from evaluation.bench import Bench
from evaluation.condition import Condition
from evaluation.gallery import Gallery
from evaluation.measures import Share
from evaluation.parts import all_obeyed, part_of, signs_of
from evaluation.prompts import ANIMAL_PROMPTS, FAIRNESS_PROMPTS, Prompt

ANIMALS: Final = "cats and dogs"
PEOPLE: Final = "other professions and scenes"


@dataclass(frozen=True)
class GeneralisedCondition:
    """What the pictures of one group of prompts, of one size, show under one method and one steering."""

    prompts: str
    """Which they are, with their size in pixels where it is not the model's own."""
    method: str
    steered: tuple[str, ...]
    """The concept asked for, or the set whose members were asked for in turn."""
    shown: Share
    """Share of pictures that show it; the plain model was not asked."""
    subject: Share
    profession: Share
    scene: Share


@dataclass(frozen=True)
class GeneraliseResult:
    """What was counted: the same seeds under every condition of one size."""

    images_per_prompt: int
    conditions: tuple[GeneralisedCondition, ...]


class Generalise:
    """A concept on animals, sets and the concept on other professions and scenes, then on these in other sizes.

    `sizes_px` are heights and widths. The plain model's pictures are counted too: where they do not keep the
    profession, a size is beyond the model itself, which may repeat its subject in larger pictures.

    Raises EvaluationError where the detector does not read a concept, and UnknownConceptError for one that the
    library lacks.
    """

    name = "generalise"

    def __init__(
        self,
        bench: Bench,
        *,
        sizes_px: Sequence[tuple[int, int]],
        sets: Sequence[str] = ("gender", "race"),
        concept: str = "with-glasses",
        animals: Sequence[Prompt] = ANIMAL_PROMPTS,
        people: Sequence[Prompt] = FAIRNESS_PROMPTS,
    ) -> None:
        self._bench = bench
        parts = {name: part_of(name, bench.library) for name in (*sets, concept)}
        self._signs = signs_of(parts.values(), bench.detector)
        planned = bench.steered(ANIMALS, animals, [parts[concept]], with_plain=True)
        for part in parts.values():
            planned += bench.steered(PEOPLE, people, [part], with_plain=True)
        for height, width in sizes_px:
            sized = replace(bench, sampling=replace(bench.sampling, height=height, width=width))
            for part in parts.values():
                planned += sized.steered(f"{PEOPLE}, {height} x {width} px", people, [part], with_plain=True)
        self.conditions = tuple(planned)

    def result(self, gallery: Gallery) -> GeneraliseResult:
        """Count what the pictures show."""
        return GeneraliseResult(
            self._bench.images_per_prompt,
            tuple(self._counted(condition, gallery) for condition in self.conditions),
        )

    def _counted(self, condition: Condition, gallery: Gallery) -> GeneralisedCondition:
        return GeneralisedCondition(
            prompts=condition.prompts,
            method=condition.method.name,
            steered=condition.steered,
            shown=all_obeyed(condition.wishes, gallery.readings(condition), self._signs),
            subject=gallery.kept(condition, "subject"),
            profession=gallery.kept(condition, "profession"),
            scene=gallery.kept(condition, "scene"),
        )
