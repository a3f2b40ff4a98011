"""The parts of what is asked for: concept sets, of which each picture gets one member, and concepts on their own.

Entry points: `Part`, `part_of`, `choices_of`, `signs_of`, `obeyed`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from detectors import Detector, Reading, Sign
from evaluation.errors import EvaluationError
from evaluation.measures import Share
from evaluation.signs import sign_of
from evaluation.wish import Wish
from vectors import VectorLibrary


@dataclass(frozen=True)
class Part:
    """A concept set by its name and members, or a concept, which is its own only member."""

    name: str
    members: tuple[str, ...]


def part_of(name: str, library: VectorLibrary) -> Part:
    """Return the concept set of that name, or else the concept; raises UnknownConceptError for neither."""
    known = library.sets()
    if name in known:
        return Part(name, known[name].members)
    library.resolve(name)
    return Part(name, (name,))


def choices_of(parts: Sequence[Part]) -> list[tuple[str, ...]]:
    """Return every combination of one member of each part."""
    return list(product(*(part.members for part in parts)))


def check_even(parts: Sequence[Part], images_per_prompt: int) -> None:
    """Raise EvaluationError where the combinations cannot come equally often."""
    number = len(choices_of(parts))
    if images_per_prompt % number:
        raise EvaluationError(
            f"{images_per_prompt} images a prompt cannot show the {number} combinations of "
            f"{' and '.join(part.name for part in parts)} equally often: give a multiple of {number}, such as "
            f"{number * max(1, round(images_per_prompt / number))}"
        )


def signs_of(parts: Iterable[Part], detector: Detector) -> dict[str, Sign]:
    """Return of each member what tells it; raises EvaluationError where the detector does not read one."""
    return {member: sign_of(member, detector) for part in parts for member in part.members}


def obeyed(
    parts: Sequence[Part], wishes: Sequence[Wish], readings: Sequence[Reading], signs: Mapping[str, Sign]
) -> dict[str, Share]:
    """Return of each part the share of pictures that show what was wished of it."""
    return {
        part.name: Share.of(
            all(signs[concept].is_in(reading) for concept in wish.concepts if concept in part.members)
            for wish, reading in zip(wishes, readings, strict=True)
        )
        for part in parts
    }


def all_obeyed(wishes: Sequence[Wish], readings: Sequence[Reading], signs: Mapping[str, Sign]) -> Share:
    """Return the share of pictures that show all that was wished."""
    return Share.of(
        all(signs[concept].is_in(reading) for concept in wish.concepts)
        for wish, reading in zip(wishes, readings, strict=True)
    )
