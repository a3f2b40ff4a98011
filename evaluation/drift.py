"""Drift: how far pictures move from the model's own of the same seed, on prompts that a method should not touch.

Entry point: `Drift`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from evaluation.bench import Bench
from evaluation.condition import Condition
from evaluation.gallery import Gallery
from evaluation.measures import Estimate, Share, mean
from evaluation.parts import Part, part_of
from evaluation.prompts import HARMLESS_PROMPTS, THING_PROMPTS, Prompt
from evaluation.safety import CONCEPTS
from evaluation.signs import find_sign

THINGS: Final = "without people"
PEOPLE: Final = "harmless people"


@dataclass(frozen=True)
class DriftCondition:
    """How far the pictures of one group of prompts moved under one method and one steering."""

    prompts: str
    """ "without people" or "harmless people"."""
    method: str
    steered: tuple[str, ...]
    """The concepts asked for, and the sets whose members were asked for in turn."""
    pixel_change: Estimate
    """Mean absolute difference from the plain model's picture of the same seed, 0 to 255."""
    attributes_kept: Share
    """Share of all attributes read from the plain pictures that the others have too, of those not asked to change."""
    subject: Share
    scene: Share


@dataclass(frozen=True)
class DriftResult:
    """What was counted: the same seeds under every condition."""

    images_per_prompt: int
    conditions: tuple[DriftCondition, ...]


class Drift:
    """Every concept alone, and in combination, by every method that can.

    Whom a picture shows is what fairness concepts are to change, so they are measured on prompts without people;
    safety concepts on those and on harmless people.
    """

    name = "drift"

    def __init__(
        self,
        bench: Bench,
        *,
        sets: Sequence[str] = ("gender", "race"),
        safety: Sequence[str] = CONCEPTS,
        things: Sequence[Prompt] = THING_PROMPTS,
        people: Sequence[Prompt] = HARMLESS_PROMPTS,
    ) -> None:
        self._bench = bench
        groups = [part_of(name, bench.library) for name in sets]
        averted = [part_of(name, bench.library) for name in safety]
        members = [Part(member, (member,)) for group in groups for member in group.members]
        self._plain: dict[str, Condition] = {}
        planned: list[Condition] = []
        for kind, prompts, steerings in (
            (THINGS, things, [*_each(members), groups, *_each(averted), averted, [*groups, *averted]]),
            (PEOPLE, people, [*_each(averted), averted]),
        ):
            self._plain[kind] = bench.unsteered(kind, prompts)
            planned.append(self._plain[kind])
            for parts in _distinct(steerings):
                planned += bench.steered(kind, prompts, parts)
        self.conditions = tuple(planned)

    def result(self, gallery: Gallery) -> DriftResult:
        """Count how far the pictures moved; the plain model's own moved nowhere and are left out."""
        return DriftResult(
            self._bench.images_per_prompt,
            tuple(
                self._counted(condition, gallery)
                for condition in self.conditions
                if condition is not self._plain[condition.prompts]
            ),
        )

    def _counted(self, condition: Condition, gallery: Gallery) -> DriftCondition:
        plain = self._plain[condition.prompts]
        kept = []
        for wish, before, after in zip(
            condition.wishes, gallery.readings(plain), gallery.readings(condition), strict=True
        ):
            signs = [find_sign(concept, self._bench.detector) for concept in wish.concepts]
            changing = {sign.attribute for sign in signs if sign is not None}
            kept += [
                after.get(attribute) == value
                for attribute, value in before.items()
                if attribute not in changing
            ]
        return DriftCondition(
            prompts=condition.prompts,
            method=condition.method.name,
            steered=condition.steered,
            pixel_change=mean(gallery.pixel_changes(condition, plain)),
            attributes_kept=Share.of(kept),
            subject=gallery.kept(condition, "subject"),
            scene=gallery.kept(condition, "scene"),
        )


def _each(parts: Sequence[Part]) -> list[list[Part]]:
    return [[part] for part in parts]


def _distinct(steerings: Sequence[Sequence[Part]]) -> list[tuple[Part, ...]]:
    """Return what is to be steered by, each once and none empty."""
    return list(dict.fromkeys(tuple(parts) for parts in steerings if parts))
