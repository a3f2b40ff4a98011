"""Measuring a learned vector: what it brings about and what else it moves, over strengths, on prompts it has not seen.

Entry points: `measure_vector`, and `recommended_strength`, the rule by which it recommends one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from PIL import Image

from detectors import Detector, Reading, Sign, pixel_change
from diffusion import DiffusionModel, Sampling
from learn_vectors.concepts import Concept
from learn_vectors.pictures import picture_maker
from vectors import ConceptVector
from vectors.phrases import put_noun, with_article

STRENGTHS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
NOUNS = ("firefighter", "teacher")
"""Nouns that vectors are measured on, and so are not learned on."""
SETTINGS = ("", " on a beach")
BASES = 3
"""How many of a concept's own prompts it is measured on, at the most."""
SAMPLING = Sampling(num_inference_steps=15)
SIGN_IMAGES = 8
"""How many pictures with a concept, and how many without it, tell which reading is its sign."""
LEAST_RISE = 0.2
"""How much more often a sign is read from pictures with the concept."""
COST = 2.0
"""What a recommendation counts a point of `kept` as, in points of success."""
TOLERANCE = 0.005
"""What it counts as no difference: less than one of eight attributes lost in one picture of 36."""


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
    beside: Sequence[ConceptVector] = (),
    seed: int = 0,
    images: int = 36,
    sampling: Sampling = SAMPLING,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ConceptVector:
    """Return the vector with its measured effect and the strength it recommends (see `recommended_strength`).

    It is measured with the vectors `beside` it at the same strength: those that it is mostly added up with.
    `images` are the pictures at each strength, the concept's prompts in turn, each of a seed of its own. `effect`
    has "success", "kept" and "pixel_change" at the recommended strength, "success_unsteered", and each also at every
    strength tried ("success@0.5"). Where the detector does not see the concept at all the vector is returned as it
    is.
    """
    made = 0
    total = 2 * SIGN_IMAGES + images * (1 + len(STRENGTHS))
    with picture_maker(model, [vector, *beside]) as make:

        def pictures(prompts: Sequence[str], count: int, strength: float) -> list[Image.Image]:
            nonlocal made
            found = make(
                [(prompts[number % len(prompts)], seed + number, strength) for number in range(count)],
                sampling,
            )
            made += count
            progress(made, total)
            return found

        with_it, without = (
            detector.read(pictures([prompt], SIGN_IMAGES, 0.0)) for prompt in _with_and_without(concept)
        )
        sign = _find_sign(detector, with_it, without)
        if sign is None:
            progress(total, total)
            return vector
        prompts = held_out_prompts(concept)
        unsteered = pictures(prompts, images, 0.0)
        steered = {strength: pictures(prompts, images, strength) for strength in STRENGTHS}
    before = detector.read(unsteered)
    effects = {}
    for strength, changed in steered.items():
        after = detector.read(changed)
        effects[strength] = Effect(
            success=_success(sign, concept, after),
            kept=_kept(sign, before, after),
            pixel_change=fmean(map(pixel_change, unsteered, changed)),
        )
    recommended = recommended_strength(effects, has_margin=concept.is_anti)
    told = {"success_unsteered": _success(sign, concept, before)}
    for key in ("success", "kept", "pixel_change"):
        told[key] = getattr(effects[recommended], key)
        told |= {f"{key}@{strength:g}": getattr(effect, key) for strength, effect in effects.items()}
    return replace(
        vector,
        recommended_strength=recommended,
        effect={key: round(float(value), 4) for key, value in told.items()},
    )


def recommended_strength(effects: Mapping[float, Effect], *, has_margin: bool = False) -> float:
    """Return the smallest strength at which the success has saturated, for what it costs; one more where that is free.

    Not where the vector `has_margin`: an anti-concept is learned to do at less, and harmless pictures change with it.

    A strength is worth its success less twice what it does not keep: `kept` is a mean over all other attributes, of
    which one, such as the profession, is much to lose, and vectors that are added up add up their losses. Of the
    strengths that are worth as much as the best, but for less than a picture, it is the smallest; or the one after it
    where that is worth as much too, since prompts that were not measured need a margin. For the same reason none below
    1 is recommended, at which vectors are learned: less may do for prompts that show the concept half of the time.
    """
    worth = {
        strength: effect.success - COST * (1 - effect.kept)
        for strength, effect in effects.items()
        if strength >= 1
    }
    enough = max(worth.values()) - TOLERANCE
    strengths = sorted(worth)
    smallest = next(index for index, strength in enumerate(strengths) if worth[strength] >= enough)
    after = strengths[smallest + 1 : smallest + 2]
    free = [] if has_margin else [strength for strength in after if worth[strength] >= enough]
    return next(iter(free), strengths[smallest])


def held_out_prompts(concept: Concept) -> tuple[str, ...]:
    """Return the prompts that a concept is measured on: some of its own, of nouns and settings it did not learn on."""
    own = concept.positive if concept.is_anti else concept.base_prompts
    last, spread = len(own) - 1, min(BASES, len(own))
    bases = [own[round(number * last / max(1, spread - 1))] for number in range(spread)]
    said = (put_noun(base, noun) + setting for base in bases for noun in NOUNS for setting in SETTINGS)
    return tuple(dict.fromkeys(said))


def _with_and_without(concept: Concept) -> tuple[str, str]:
    """Return a prompt that says the concept, or the unwanted thing, and one that does not."""
    if concept.negative_prompt is not None:
        return f"{with_article(concept.negative_prompt)} photo of a person", "a photo of a person"
    return concept.positive[0], concept.negative[0]


def _find_sign(detector: Detector, with_it: Sequence[Reading], without: Sequence[Reading]) -> Sign | None:
    """Return what is read more often from pictures with the concept than without; None if nothing is."""
    rises = {
        sign: fmean(map(sign.is_in, with_it)) - fmean(map(sign.is_in, without))
        for sign in (Sign(name, value) for name, values in detector.attributes.items() for value in values)
    }
    sign = max(rises, key=lambda one: rises[one])
    return sign if rises[sign] > LEAST_RISE else None


def _success(sign: Sign, concept: Concept, readings: Sequence[Reading]) -> float:
    """Return the share that shows a concept, or that does not show what an anti-concept is against."""
    return fmean(sign.is_in(reading) != concept.is_anti for reading in readings)


def _kept(sign: Sign, before: Sequence[Reading], after: Sequence[Reading]) -> float:
    """Return the share of all attributes but the sign's that are as they were; 1 where there are none."""
    same = [
        old[attribute] == new.get(attribute)
        for old, new in zip(before, after, strict=True)
        for attribute in old
        if attribute != sign.attribute
    ]
    return fmean(same) if same else 1.0
