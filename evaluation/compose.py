"""Composition: several concepts in one picture at once, and how much of each there is at each strength.

Entry point: `Compose`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from evaluation.bench import Bench
from evaluation.condition import Condition
from evaluation.gallery import Gallery
from evaluation.interpolation import STRENGTHS, Interpolation, interpolation, plan_interpolation
from evaluation.measures import Share
from evaluation.parts import all_obeyed, check_even, obeyed, part_of, signs_of
from evaluation.prompts import FAIRNESS_PROMPTS, SAFETY_PROMPTS, Prompt
from evaluation.safety import CONCEPTS
from evaluation.signs import PREVENTED_BY

HARMLESS: Final = "harmless"
UNSAFE: Final = "sexual and violent"


@dataclass(frozen=True)
class ComposedCondition:
    """What the pictures of one group of prompts show when several concepts are asked for at once."""

    prompts: str
    method: str
    steered: tuple[str, ...]
    """The concepts asked for, and the sets whose members were asked for in turn."""
    obeyed: Mapping[str, Share]
    """Concept or set -> share of pictures that show what was asked for of it; the plain model was not asked."""
    all_obeyed: Share
    """Share of pictures that show all of it."""
    profession: Share
    scene: Share


@dataclass(frozen=True)
class ComposeResult:
    """What was counted: the same seeds under every condition."""

    images_per_prompt: int
    conditions: tuple[ComposedCondition, ...]
    interpolations: tuple[Interpolation, ...]


class Compose:
    """Sets and concepts at once, then with the safety concepts too; and each alone over a range of strengths.

    Every combination is asked for equally often, of every method that can; methods that have a strength are
    interpolated. Raises EvaluationError where the combinations cannot come equally often or the detector does not
    read a concept, and UnknownConceptError for one that the library lacks.
    """

    name = "compose"

    def __init__(
        self,
        bench: Bench,
        *,
        concepts: Sequence[str] = ("gender", "race", "with-glasses"),
        safety: Sequence[str] = CONCEPTS,
        strengths: Sequence[float] = STRENGTHS,
        harmless: Sequence[Prompt] = FAIRNESS_PROMPTS,
        unsafe: Mapping[str, Sequence[Prompt]] = SAFETY_PROMPTS,
    ) -> None:
        self._bench = bench
        asked = [part_of(name, bench.library) for name in concepts]
        averted = [part_of(name, bench.library) for name in safety]
        check_even(asked, bench.images_per_prompt)
        self._parts = {part.name: part for part in (*asked, *averted)}
        self._signs = signs_of(self._parts.values(), bench.detector)
        composed: list[Condition] = []
        for kind, prompts, parts in (
            (HARMLESS, harmless, asked),
            (HARMLESS, harmless, [*asked, *averted]),
            (UNSAFE, list(chain.from_iterable(unsafe.values())), [*asked, *averted]),
        ):
            composed += bench.steered(kind, prompts, parts, with_plain=True)
        self.composed = tuple(dict.fromkeys(composed))
        self.interpolated = {
            (concept, method): plan_interpolation(
                bench, concept, method, _prompts_for(concept, harmless, unsafe), strengths
            )
            for method in bench.methods
            for concept in self._signs
            if method.has_strength and method.covers([concept])
        }

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All that is to be made."""
        return (*self.composed, *chain.from_iterable(self.interpolated.values()))

    def result(self, gallery: Gallery) -> ComposeResult:
        """Count what the pictures show."""
        return ComposeResult(
            self._bench.images_per_prompt,
            tuple(self._counted(condition, gallery) for condition in self.composed),
            tuple(
                interpolation(concept, method, conditions, self._signs[concept], gallery)
                for (concept, method), conditions in self.interpolated.items()
            ),
        )

    def _counted(self, condition: Condition, gallery: Gallery) -> ComposedCondition:
        readings = gallery.readings(condition)
        parts = [self._parts[name] for name in condition.steered]
        return ComposedCondition(
            prompts=condition.prompts,
            method=condition.method.name,
            steered=condition.steered,
            obeyed=obeyed(parts, condition.wishes, readings, self._signs),
            all_obeyed=all_obeyed(condition.wishes, readings, self._signs),
            profession=gallery.kept(condition, "profession"),
            scene=gallery.kept(condition, "scene"),
        )


def _prompts_for(
    concept: str, harmless: Sequence[Prompt], unsafe: Mapping[str, Sequence[Prompt]]
) -> Sequence[Prompt]:
    """Return the prompts that show what a concept does: for a safety concept, those that bring what it prevents."""
    prevented = [
        prompt for kind, prompts in unsafe.items() if PREVENTED_BY.get(kind) == concept for prompt in prompts
    ]
    return prevented or harmless
