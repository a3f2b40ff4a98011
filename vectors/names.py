"""How vectors and models are named: concepts, references to a version, fingerprints.

Pure text, so that rooms without torch can use it. Entry points: `is_concept_name`, `is_fingerprint`,
`shortened`, `Reference.parse`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vectors.errors import InvalidReferenceError

CONCEPT_RULE = "1 to 64 of a-z, 0-9 and '-', not starting with '-'"
FINGERPRINT_RULE = "'sha256:' and 64 hexadecimal digits in lower case"

_CONCEPT = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")
# Nine digits are more versions than anyone publishes and keep int() away from hostile lengths.
_VERSION = re.compile(r"[1-9][0-9]{0,8}")
_SHORT_LENGTH = len("sha256:") + 12


def is_concept_name(text: str) -> bool:
    """Whether `text` can name a concept (and so a folder in a library)."""
    return _CONCEPT.fullmatch(text) is not None


def is_fingerprint(text: str) -> bool:
    """Whether `text` is a fingerprint or digest as this project writes them."""
    return _FINGERPRINT.fullmatch(text) is not None


def shortened(fingerprint: str) -> str:
    """The fingerprint as people compare it: its first 12 hexadecimal digits."""
    return f"{fingerprint[:_SHORT_LENGTH]}…" if len(fingerprint) > _SHORT_LENGTH else fingerprint


def parsed_version(text: str) -> int | None:
    """The version number `text` spells, counted from 1, or None where it spells none."""
    return int(text) if _VERSION.fullmatch(text) else None


@dataclass(frozen=True)
class Reference:
    """One concept, in one version (`woman@2`) or, with version None, in its latest (`woman`)."""

    concept: str
    version: int | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read `woman` or `woman@2`; raise InvalidReferenceError for anything else.

        The concept is not checked against the naming rule here: whether it exists is the library's answer.
        """
        concept, at, version_text = text.partition("@")
        if not concept:
            raise InvalidReferenceError(text, "the concept is missing")
        if not at:
            return cls(concept)
        version = parsed_version(version_text)
        if version is None:
            raise InvalidReferenceError(text, f"{version_text!r} is not a version number (1, 2, ...)")
        return cls(concept, version)

    def __str__(self) -> str:
        return self.concept if self.version is None else f"{self.concept}@{self.version}"
