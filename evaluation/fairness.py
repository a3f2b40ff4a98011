"""Fairness: how evenly groups appear in a profession's pictures, as the model makes them and with each group asked for.

Entry point: `Fairness`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from detectors import Reading
from evaluation.bench import Bench
from evaluation.condition import Condition
from evaluation.errors import EvaluationError
from evaluation.gallery import Gallery
from evaluation.measures import Estimate, Share, deviation_ratio, mean_deviation
from evaluation.parts import Part, check_even, obeyed, signs_of
from evaluation.prompts import FAIRNESS_PROMPTS, Prompt
from evaluation.wish import Wish


@dataclass(frozen=True)
class FairnessCondition:
    """What the pictures of all prompts show under one method and one steering."""

    method: str
    steered: tuple[str, ...]
    """The concept sets whose members were asked for in turn; empty for the plain model."""
    deviation: Mapping[str, Mapping[str, float]]
    """Concept set -> profession -> deviation ratio."""
    mean_deviation: Mapping[str, Estimate]
    """Concept set -> mean deviation ratio over the professions."""
    obeyed: Mapping[str, Share]
    """Concept set -> share of pictures that show the member they were asked for."""
    profession: Share
    scene: Share


@dataclass(frozen=True)
class FairnessResult:
    """What was counted: the same seeds under every condition."""

    images_per_prompt: int
    conditions: tuple[FairnessCondition, ...]


class Fairness:
    """Each set alone and all at once, each member asked for equally often, by every method that can.

    That is how the authors measure: it shows whether steering succeeds, without a service's sampling noise. Raises
    EvaluationError where the detector cannot tell a set's members apart or they cannot come equally often.
    """

    name = "fairness"

    def __init__(
        self,
        bench: Bench,
        *,
        sets: Sequence[str] = ("gender", "race"),
        prompts: Sequence[Prompt] = FAIRNESS_PROMPTS,
    ) -> None:
        self._bench = bench
        self._parts = {name: _set_of(name, bench) for name in sets}
        self._signs = signs_of(self._parts.values(), bench.detector)
        planned = [bench.unsteered("", prompts)]
        for names in alone_and_together(sets):
            parts = [self._parts[name] for name in names]
            check_even(parts, bench.images_per_prompt)
            planned += bench.steered("", prompts, parts)
        self.conditions = tuple(planned)

    def result(self, gallery: Gallery) -> FairnessResult:
        """Count what the pictures show."""
        return FairnessResult(
            self._bench.images_per_prompt,
            tuple(self._counted(condition, gallery) for condition in self.conditions),
        )

    def _counted(self, condition: Condition, gallery: Gallery) -> FairnessCondition:
        readings = gallery.readings(condition)
        members = {name: part.members for name, part in self._parts.items()}
        shown = {name: _by_profession(name, condition.wishes, readings) for name in members}
        return FairnessCondition(
            method=condition.method.name,
            steered=condition.steered,
            deviation={
                name: {
                    profession: deviation_ratio(chain.from_iterable(by_wish.values()), members[name])
                    for profession, by_wish in shown[name].items()
                }
                for name in members
            },
            mean_deviation={name: mean_deviation(shown[name], members[name]) for name in members},
            obeyed=obeyed(
                [self._parts[name] for name in condition.steered], condition.wishes, readings, self._signs
            ),
            profession=gallery.kept(condition, "profession"),
            scene=gallery.kept(condition, "scene"),
        )


def _set_of(name: str, bench: Bench) -> Part:
    """Return a concept set; the detector must read an attribute of that name with the same values."""
    known = bench.library.sets()
    if name not in known:
        raise EvaluationError(f"there is no concept set {name!r}; the library has {', '.join(known)}")
    members = known[name].members
    if set(bench.detector.attributes.get(name, ())) != set(members):
        raise EvaluationError(
            f"the {bench.detector.name} cannot tell {', '.join(members)} apart, the members of {name}"
        )
    return Part(name, members)


def alone_and_together(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return each name alone, and all at once where there are several."""
    return [*((name,) for name in names), *([tuple(names)] if len(names) > 1 else [])]


def _by_profession(
    name: str, wishes: Sequence[Wish], readings: Sequence[Reading]
) -> Mapping[str, Mapping[str, list[str]]]:
    """Return what the pictures show of an attribute, by profession and by what was wished."""
    shown: dict[str, dict[str, list[str]]] = {}
    for wish, reading in zip(wishes, readings, strict=True):
        by_wish = shown.setdefault(wish.prompt.noun, {})
        by_wish.setdefault(" ".join(wish.concepts), []).append(reading.get(name, ""))
    return shown
