"""Generalisation: vectors on subjects, professions, scenes and sizes that they were not learned on.

Entry point: `Generalise`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from detectors import Detector
from diffusion import Sampling
from evaluation.condition import Condition
from evaluation.gallery import Gallery
from evaluation.measures import Share
from evaluation.methods import Method
from evaluation.parts import all_obeyed, choices_of, part_of
from evaluation.prompts import ANIMAL_PROMPTS, FAIRNESS_PROMPTS, Prompt
from evaluation.signs import sign_of
from evaluation.wish import wishes_for
from vectors import VectorLibrary

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
        library: VectorLibrary,
        detector: Detector,
        plain: Method,
        methods: Sequence[Method],
        *,
        sampling: Sampling,
        sizes_px: Sequence[tuple[int, int]],
        sets: Sequence[str] = ("gender", "race"),
        concept: str = "with-glasses",
        images_per_prompt: int = 12,
        seed: int = 0,
        animals: Sequence[Prompt] = ANIMAL_PROMPTS,
        people: Sequence[Prompt] = FAIRNESS_PROMPTS,
    ) -> None:
        self._images_per_prompt = images_per_prompt
        known = {name: part_of(name, library) for name in (*sets, concept)}
        self._signs = {
            member: sign_of(member, detector) for part in known.values() for member in part.members
        }
        groups = [
            (ANIMALS, animals, [concept], sampling),
            (PEOPLE, people, list(known), sampling),
            *(
                (
                    f"{PEOPLE}, {height} x {width} px",
                    people,
                    list(known),
                    replace(sampling, height=height, width=width),
                )
                for height, width in sizes_px
            ),
        ]
        planned: list[Condition] = []
        for title, prompts, names, sized in groups:
            for name in names:
                part = known[name]
                wishes = wishes_for(prompts, images_per_prompt, sized, seed, choices=choices_of([part]))
                planned += [
                    Condition(title, method, (name,), wishes)
                    for method in (plain, *methods)
                    if method.covers(part.members)
                ]
        self.conditions = tuple(planned)

    def result(self, gallery: Gallery) -> GeneraliseResult:
        """Count what the pictures show."""
        return GeneraliseResult(
            self._images_per_prompt,
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
