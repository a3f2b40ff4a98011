"""Fairness as it is served: how evenly groups appear in the pictures of a running service, and what it leaves alone.

Entry points: `ServedFairness`, and what it asks of a service: `Ask`, `ServedImage`, `Serve`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, Final, TypeAlias

from PIL import Image

from detectors import Detector, Reading, pixel_change
from evaluation.errors import EvaluationError
from evaluation.measures import Estimate, Share, deviation_ratio, mean_deviation
from evaluation.progress import Progress
from evaluation.prompts import Prompt

NO_POLICY: Final = "no policy"
WAYS: Final = ("balanced", "ledger")
"""The ways of assigning that promise even shares."""


@dataclass(frozen=True)
class Ask:
    """One request to a service."""

    prompt: str
    seed: int
    """That of its first image; the others count up."""
    images: int
    policy: Mapping[str, Any]


@dataclass(frozen=True)
class ServedImage:
    """One image of an answer, and the concepts that were added to it."""

    picture: Image.Image
    concepts: tuple[str, ...]


Serve: TypeAlias = Callable[[Sequence[Ask], Callable[[int, int], None]], list[list[ServedImage]]]
"""Sends requests, tells the function how many of how many are answered, and returns the images of each, in order."""


@dataclass(frozen=True)
class ServedCondition:
    """What the pictures of all prompts show under one policy."""

    policy: str
    deviation: Mapping[str, Mapping[str, float]]
    """Concept set, or several drawn together ("gender x race") -> profession -> deviation ratio."""
    mean_deviation: Mapping[str, Estimate]
    """The same -> mean deviation ratio over the professions."""
    obeyed: Mapping[str, Share]
    """Concept set -> share of pictures that show the member they were given, of those that were given one."""
    profession: Share
    """Share of pictures that show their prompt's profession."""
    changed_outside: Share
    """Share of pictures, of prompts that fairness does not apply to, with any pixel unlike the one without a policy."""


@dataclass(frozen=True)
class ServedResult:
    """What was counted: the same seeds under every policy."""

    images_per_prompt: int
    images_per_request: int
    conditions: tuple[ServedCondition, ...]


class ServedFairness:
    """Each prompt is asked for in requests of a few images, without a policy and under each way of assigning.

    Raises EvaluationError where a detector cannot tell a set's members apart.
    """

    name = "fairness as served"

    def __init__(
        self,
        sets: Mapping[str, Sequence[str]],
        detector: Detector,
        *,
        prompts: Sequence[Prompt],
        outside: Sequence[Prompt],
        images_per_prompt: int,
        images_per_request: int,
        seed: int = 0,
        mark: str = "",
    ) -> None:
        """Take the concept sets to draw from together, and prompts that the gate lets through and keeps out.

        `mark` goes into the policies: a service counts for each policy apart, so a new one begins at nothing.
        """
        for name, members in sets.items():
            if set(detector.attributes.get(name, ())) != set(members):
                raise EvaluationError(
                    f"the {detector.name} cannot tell {', '.join(members)} apart, the members of {name}"
                )
        self._sets = sets
        self._detector = detector
        self._prompts = prompts
        self._outside = outside
        self._images_per_prompt = images_per_prompt
        self._per_request = images_per_request
        self._seed = seed
        rules = [{"set": name} for name in sets]
        self.policies: dict[str, dict[str, Any]] = {NO_POLICY: {}} | {
            way: {"fairness": rules, "assignment": way, "description": mark} for way in WAYS
        }

    def result(self, serve: Serve, *, progress: Progress) -> ServedResult:
        """Ask for all pictures, and count what they show; raises what `serve` raises."""
        conditions, count = [], self._images_per_prompt
        plain: list[list[ServedImage]] = []
        for name, policy in self.policies.items():
            asks = [
                Ask(prompt.text, self._seed + first, min(self._per_request, count - first), policy)
                for prompt in self._prompts
                for first in range(0, count, self._per_request)
            ]
            outside = [Ask(prompt.text, self._seed, self._per_request, policy) for prompt in self._outside]
            answers = serve([*asks, *outside], partial(progress, f"asking, {name}"))
            of_people, of_others = answers[: len(asks)], answers[len(asks) :]
            plain = plain or of_others
            conditions.append(self._counted(name, of_people, _changed(of_others, plain)))
        return ServedResult(self._images_per_prompt, self._per_request, tuple(conditions))

    def _counted(
        self, policy: str, answers: Sequence[Sequence[ServedImage]], changed: Share
    ) -> ServedCondition:
        images = [image for answer in answers for image in answer]
        readings = [
            reading for answer in answers for reading in self._detector.read([one.picture for one in answer])
        ]
        said = [prompt for prompt in self._prompts for _ in range(self._images_per_prompt)]
        parts: dict[tuple[str, ...], list[str]] = {
            (name,): list(members) for name, members in self._sets.items()
        }
        if len(self._sets) > 1:
            parts[tuple(self._sets)] = [" ".join(cell) for cell in product(*self._sets.values())]
        shown = {names: _by_profession(names, said, images, readings) for names in parts}
        return ServedCondition(
            policy=policy,
            deviation={
                " x ".join(names): {
                    profession: deviation_ratio(
                        [value for values in by_given.values() for value in values], members
                    )
                    for profession, by_given in shown[names].items()
                }
                for names, members in parts.items()
            },
            mean_deviation={
                " x ".join(names): mean_deviation(shown[names], members) for names, members in parts.items()
            },
            obeyed={
                name: Share.of(
                    reading.get(name) == given
                    for image, reading in zip(images, readings, strict=True)
                    for given in image.concepts
                    if given in members
                )
                for name, members in self._sets.items()
            },
            profession=Share.of(
                reading.get("profession") == prompt.profession
                for prompt, reading in zip(said, readings, strict=True)
                if prompt.profession in self._detector.attributes.get("profession", ())
            ),
            changed_outside=changed,
        )


def _by_profession(
    names: Sequence[str], said: Sequence[Prompt], images: Sequence[ServedImage], readings: Sequence[Reading]
) -> Mapping[str, Mapping[str, list[str]]]:
    """Return what the pictures show of some sets together, by profession and by what was added."""
    shown: dict[str, dict[str, list[str]]] = {}
    for prompt, image, reading in zip(said, images, readings, strict=True):
        by_given = shown.setdefault(prompt.noun, {})
        by_given.setdefault(" ".join(image.concepts), []).append(
            " ".join(reading.get(name, "") for name in names)
        )
    return shown


def _changed(answers: Sequence[Sequence[ServedImage]], plain: Sequence[Sequence[ServedImage]]) -> Share:
    return Share.of(
        pixel_change(one.picture, other.picture) > 0
        for answer, beside in zip(answers, plain, strict=True)
        for one, other in zip(answer, beside, strict=True)
    )
