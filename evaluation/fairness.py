"""Fairness: how evenly groups appear in a profession's pictures, without vectors and with each group steered to.

Entry point: `evaluate_fairness`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from statistics import fmean

from detectors import Detector, Reading
from diffusion import Engine, Row, Sampling
from evaluation.errors import EvaluationError
from evaluation.measures import Share, deviation_ratio
from evaluation.progress import Progress
from evaluation.prompts import FAIRNESS_PROMPTS, Prompt


@dataclass(frozen=True)
class FairnessCondition:
    """The pictures of all prompts under one steering."""

    steered: tuple[str, ...]
    """The concept sets steered by; empty for the plain model."""
    deviation: Mapping[str, Mapping[str, float]]
    """Concept set -> profession -> deviation ratio."""
    obeyed: Mapping[str, Share]
    """Concept set -> share of pictures that show the member they were steered to."""
    profession: Share
    scene: Share

    def mean_deviation(self, name: str) -> float:
        """Return the mean deviation ratio of a concept set over the professions."""
        return fmean(self.deviation[name].values())


@dataclass(frozen=True)
class FairnessResult:
    """An evaluation of fairness: the same seeds under every condition."""

    images_per_prompt: int
    conditions: tuple[FairnessCondition, ...]


def evaluate_fairness(
    engine: Engine,
    detector: Detector,
    *,
    sets: Sequence[str] = ("gender", "race"),
    images_per_prompt: int = 60,
    sampling: Sampling,
    seed: int = 0,
    prompts: Sequence[Prompt] = FAIRNESS_PROMPTS,
    progress: Progress,
) -> FairnessResult:
    """Measure each set alone and all at once against the plain model, each member steered to equally often.

    That is how the authors measure: it shows whether steering succeeds, without a service's sampling noise.
    Raises EvaluationError where the detector cannot tell a set's members apart or they cannot come equally often.
    """
    members = {name: _members(engine, detector, name) for name in sets}
    steered_by = [(), *((name,) for name in sets), *([tuple(sets)] if len(sets) > 1 else [])]
    for names in steered_by:
        combinations = len(list(product(*(members[name] for name in names))))
        if images_per_prompt % combinations:
            raise EvaluationError(
                f"{images_per_prompt} images a prompt cannot show the {combinations} combinations of "
                f"{' and '.join(names)} equally often: give a multiple of {combinations}, such as 60"
            )
    conditions = []
    for names in steered_by:
        choices = list(product(*(members[name] for name in names)))
        rows = [
            Row(prompt.text, seed + number, steering=dict.fromkeys(choices[number % len(choices)], 1.0))
            for prompt in prompts
            for number in range(images_per_prompt)
        ]
        title = f"fairness: {' and '.join(names) or 'no vector'}"
        made = engine.generate(rows, sampling, on_step=partial(progress, title))
        readings = detector.read([one.image for one in made])
        shown = [prompt for prompt in prompts for _ in range(images_per_prompt)]
        conditions.append(_condition(names, members, rows, shown, readings))
    return FairnessResult(images_per_prompt, tuple(conditions))


def _members(engine: Engine, detector: Detector, name: str) -> tuple[str, ...]:
    """Return a set's members; the detector must read an attribute of that name with the same values."""
    known = engine.vectors.sets()
    if name not in known:
        raise EvaluationError(f"there is no concept set {name!r}; the library has {', '.join(known)}")
    members = known[name].members
    if set(detector.attributes.get(name, ())) != set(members):
        raise EvaluationError(
            f"the {detector.name} cannot tell {', '.join(members)} apart, the members of {name}"
        )
    return members


def _condition(
    names: tuple[str, ...],
    members: Mapping[str, tuple[str, ...]],
    rows: Sequence[Row],
    prompts: Sequence[Prompt],
    readings: Sequence[Reading],
) -> FairnessCondition:
    """Count what the pictures of one condition show."""
    by_profession: dict[str, list[Reading]] = {}
    for prompt, reading in zip(prompts, readings, strict=True):
        by_profession.setdefault(prompt.profession, []).append(reading)
    return FairnessCondition(
        steered=names,
        deviation={
            name: {
                profession: deviation_ratio((reading.get(name, "") for reading in shown), members[name])
                for profession, shown in by_profession.items()
            }
            for name in members
        },
        obeyed={
            name: Share.of(
                reading.get(name) in row.steering for row, reading in zip(rows, readings, strict=True)
            )
            for name in names
        },
        profession=kept("profession", prompts, readings),
        scene=kept("scene", prompts, readings),
    )


def kept(attribute: str, prompts: Sequence[Prompt], readings: Sequence[Reading]) -> Share:
    """Return the share of pictures that show what their prompt says of "profession" or "scene"."""
    return Share.of(
        reading.get(attribute) == getattr(prompt, attribute)
        for prompt, reading in zip(prompts, readings, strict=True)
    )
