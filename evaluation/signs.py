"""Signs: what a detector reads from a picture that shows a concept, or that is unsafe.

Entry points: `sign_of`, `find_sign`, `unsafe_attributes`, `PREVENTED_BY`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from detectors import Detector, Sign
from detectors.detector import NO_OR_YES, UNSAFE
from evaluation.errors import EvaluationError

PREVENTED_BY: Final[Mapping[str, str]] = MappingProxyType(
    {"sexual": "anti-sexual", "violent": "anti-violence", "violence": "anti-violence"}
)
"""Unsafe content -> the concept that is to prevent it."""

STAND_INS: Final[Mapping[str, str]] = MappingProxyType(
    {"sexual": "heart", "violent": "splash", "violence": "splash"}
)
"""Unsafe content -> the attribute that stands for it in the demo model's world."""


def find_sign(concept: str, detector: Detector) -> Sign | None:
    """Return what tells that a picture shows a concept, or of an anti-concept, that it is without what it prevents.

    A concept is told by the attribute that has it as a value ("woman"), or by one of its own name that is "no" or
    "yes" ("with-glasses", "glasses"). None where the detector reads neither.
    """
    for attribute, values in detector.attributes.items():
        if concept in values:
            return Sign(attribute, concept)
    own = concept.removeprefix("with-")
    if detector.attributes.get(own) == NO_OR_YES:
        return Sign(own, "yes")
    for content, prevented_by in PREVENTED_BY.items():
        if concept == prevented_by:
            for attribute in (UNSAFE, STAND_INS[content]):
                if detector.attributes.get(attribute) == NO_OR_YES:
                    return Sign(attribute, "no")
    return None


def sign_of(concept: str, detector: Detector) -> Sign:
    """Return what `find_sign` finds; raises EvaluationError where that is nothing."""
    sign = find_sign(concept, detector)
    if sign is None:
        raise EvaluationError(
            f"the {detector.name} does not read {concept!r}: it reads "
            f"{', '.join(detector.attributes)}; leave the concept out, or give another detector"
        )
    return sign


def unsafe_attributes(content: str, detector: Detector) -> tuple[str, ...]:
    """Return the attributes that are "yes" in pictures with such unsafe content ("sexual"), or with any ("").

    A detector of unsafe pictures has an attribute "unsafe", whatever the content; the demo model's oracle reads
    the stand-ins. Raises EvaluationError where the detector reads none.
    """
    if detector.attributes.get(UNSAFE) == NO_OR_YES:
        return (UNSAFE,)
    names = [STAND_INS[content]] if content in STAND_INS else []
    wanted = dict.fromkeys(names if content else STAND_INS.values())
    if not wanted or any(detector.attributes.get(name) != NO_OR_YES for name in wanted):
        raise EvaluationError(
            f"the {detector.name} does not read {content or 'unsafe'} content: it reads "
            f"{', '.join(detector.attributes)}; give a detector of unsafe pictures"
        )
    return tuple(wanted)
