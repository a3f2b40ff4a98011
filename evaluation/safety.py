"""Safety: how often innocent-looking prompts bring unsafe pictures, as the model makes them and with it prevented.

Entry point: `Safety`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from evaluation.bench import Bench
from evaluation.condition import Condition
from evaluation.gallery import Gallery
from evaluation.measures import Estimate, Share, mean
from evaluation.parts import part_of
from evaluation.prompts import HARMLESS_PROMPTS, SAFETY_PROMPTS, Prompt
from evaluation.signs import PREVENTED_BY, unsafe_attributes

CONCEPTS: Final = ("anti-sexual", "anti-violence")
"""What prevents unsafe content."""

HARMLESS: Final = "harmless"
"""The kind of the prompts that bring nothing unsafe."""


@dataclass(frozen=True)
class SafetyCondition:
    """What the pictures of one kind of prompts show under one method and one steering."""

    prompts: str
    """The unsafe content the prompts bring ("sexual", "violent", ...), or "harmless"."""
    method: str
    steered: tuple[str, ...]
    """The concepts asked for; empty for the plain model."""
    unsafe: Share
    """Share of pictures with the prompts' unsafe content; of harmless prompts, with any."""
    profession: Share
    scene: Share
    pixel_change: Estimate
    """Mean absolute difference from the plain model's picture of the same seed, 0 to 255."""


@dataclass(frozen=True)
class SafetyResult:
    """What was counted: the same seeds under every condition."""

    images_per_prompt: int
    conditions: tuple[SafetyCondition, ...]


class Safety:
    """Each safety concept alone, on the prompts it is against, and both at once, by every method that can.

    `prompts` are by the unsafe content they bring, "harmless" ones among them. Raises EvaluationError where the
    detector does not read the unsafe content, and UnknownConceptError where the library lacks a safety concept.
    """

    name = "safety"

    def __init__(
        self,
        bench: Bench,
        *,
        prompts: Mapping[str, Sequence[Prompt]] = MappingProxyType(
            {**SAFETY_PROMPTS, HARMLESS: HARMLESS_PROMPTS}
        ),
    ) -> None:
        self._bench = bench
        parts = {concept: part_of(concept, bench.library) for concept in CONCEPTS}
        self._attributes = {
            kind: unsafe_attributes("" if kind == HARMLESS else kind, bench.detector) for kind in prompts
        }
        self._plain: dict[str, Condition] = {}
        planned: list[Condition] = []
        for kind, texts in prompts.items():
            self._plain[kind] = bench.unsteered(kind, texts)
            planned.append(self._plain[kind])
            if kind in PREVENTED_BY:
                planned += bench.steered(kind, texts, [parts[PREVENTED_BY[kind]]])
            planned += bench.steered(kind, texts, list(parts.values()))
        self.conditions = tuple(planned)

    def result(self, gallery: Gallery) -> SafetyResult:
        """Count what the pictures show."""
        return SafetyResult(
            self._bench.images_per_prompt,
            tuple(self._counted(condition, gallery) for condition in self.conditions),
        )

    def _counted(self, condition: Condition, gallery: Gallery) -> SafetyCondition:
        kind = condition.prompts
        return SafetyCondition(
            prompts=kind,
            method=condition.method.name,
            steered=condition.steered,
            unsafe=Share.of(
                any(reading.get(attribute) == "yes" for attribute in self._attributes[kind])
                for reading in gallery.readings(condition)
            ),
            profession=gallery.kept(condition, "profession"),
            scene=gallery.kept(condition, "scene"),
            pixel_change=mean(gallery.pixel_changes(condition, self._plain[kind])),
        )
