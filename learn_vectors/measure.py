"""Measuring a learned vector: what it brings about and what else it moves, over strengths, on prompts it has not seen.

Entry point: `measure_vector`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
from PIL import Image

from detectors import Detector, Reading
from diffusion import DiffusionModel, Sampling
from learn_vectors.concepts import Concept
from learn_vectors.pictures import make_pictures
from vectors import ConceptVector
from vectors.phrases import put_noun, with_article

STRENGTHS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
NOUNS = ("firefighter", "teacher")
"""Nouns that vectors are measured on, and so are not learned on."""
SETTINGS = ("", " on a beach")
SAMPLING = Sampling(num_inference_steps=15)


@dataclass(frozen=True)
class Sign:
    """What tells a concept in a detector's reading."""

    attribute: str
    value: str
    wanted: bool
    """Whether the vector is to bring the value about, or to prevent it."""

    def shown(self, reading: Reading) -> bool:
        """Whether a reading is as the vector would have it."""
        return (reading.get(self.attribute) == self.value) == self.wanted


@dataclass(frozen=True)
class Effect:
    """What a vector does at one strength; shares are of pictures, 0 to 1."""

    success: float
    """Share that shows a concept, or is free of what an anti-concept prevents."""
    kept: float
    """Share of the other attributes read that are as in the unsteered picture of the same seed."""
    pixel_change: float
    """Mean absolute difference from the unsteered picture of the same seed, 0 to 255."""


def measure_vector(
    model: DiffusionModel,
    vector: ConceptVector,
    concept: Concept,
    detector: Detector,
    *,
    seed: int = 0,
    images_per_prompt: int = 8,
    sampling: Sampling = SAMPLING,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ConceptVector:
    """Return the vector with its measured effect and the strength it recommends.

    The recommended strength is 1, at which it was learned, unless another has a larger product of success and what
    is kept; then the smallest that is within half a percent of the best. `effect` has "success", "kept" and
    "pixel_change" at that strength, "success_unsteered", and each also at every strength tried ("success@0.5").
    Where the detector does not see the concept at all the vector is returned as it is.
    """
    prompts = [
        put_noun(base, noun) + setting
        for base in (concept.positive if concept.is_anti else concept.base_prompts)[:1]
        for noun in NOUNS
        for setting in SETTINGS
    ]
    made = 0
    total = images_per_prompt * (len(prompts) * (len(STRENGTHS) + 1) + 2)

    def pictures(of: Sequence[str], strength: float) -> list[Image.Image]:
        nonlocal made
        wanted = [(prompt, seed + number) for prompt in of for number in range(images_per_prompt)]
        images = make_pictures(model, vector, wanted, strength, sampling)
        made += len(images)
        progress(made, total)
        return images

    sign = _sign(concept, detector, pictures)
    unsteered = pictures(prompts, 0.0)
    if sign is None:
        return vector
    before = detector.read(unsteered)
    effects = {}
    for strength in STRENGTHS:
        steered = pictures(prompts, strength)
        effects[strength] = _effect(sign, before, detector.read(steered), unsteered, steered)
    recommended = _recommended(effects)
    told = {"success_unsteered": fmean(sign.shown(reading) for reading in before)}
    for key in ("success", "kept", "pixel_change"):
        told[key] = getattr(effects[recommended], key)
        told |= {f"{key}@{strength:g}": getattr(effect, key) for strength, effect in effects.items()}
    return replace(
        vector,
        recommended_strength=recommended,
        effect={key: round(float(value), 4) for key, value in told.items()},
    )


def _recommended(effects: Mapping[float, Effect]) -> float:
    scores = {strength: effect.success * effect.kept for strength, effect in effects.items()}
    enough = max(scores.values()) - 0.005
    return 1.0 if scores[1.0] >= enough else min(s for s, score in scores.items() if score >= enough)


def _sign(
    concept: Concept, detector: Detector, pictures: Callable[[Sequence[str], float], list[Image.Image]]
) -> Sign | None:
    """Find the reading that sets pictures with the concept (or the unwanted thing) apart; None if nothing does."""
    if concept.is_anti:
        with_it, without = (
            f"{with_article(concept.negative_prompt or '')} photo of a person",
            "a photo of a person",
        )
    else:
        with_it, without = concept.positive[0], concept.negative[0]
    shown = [detector.read(pictures([prompt], 0.0)) for prompt in (with_it, without)]
    rises = {
        (attribute, value): fmean(reading.get(attribute) == value for reading in shown[0])
        - fmean(reading.get(attribute) == value for reading in shown[1])
        for attribute, values in detector.attributes.items()
        for value in values
    }
    (attribute, value), rise = max(rises.items(), key=lambda item: item[1])
    return Sign(attribute, value, wanted=not concept.is_anti) if rise > 0.2 else None


def _effect(
    sign: Sign,
    before: Sequence[Reading],
    after: Sequence[Reading],
    unsteered: Sequence[Image.Image],
    steered: Sequence[Image.Image],
) -> Effect:
    same = [
        old.get(attribute) == new.get(attribute)
        for old, new in zip(before, after, strict=True)
        for attribute in old
        if attribute != sign.attribute
    ]
    changes = [
        np.abs(np.asarray(old, dtype=np.int16) - np.asarray(new, dtype=np.int16)).mean()
        for old, new in zip(unsteered, steered, strict=True)
    ]
    return Effect(
        success=fmean(sign.shown(reading) for reading in after),
        kept=fmean(same) if same else 1.0,
        pixel_change=float(fmean(changes)),
    )
