"""What can go wrong in this room.

VectorError
├── InvalidVectorError         the parts given for a vector do not make a sound one
├── InvalidReferenceError      "woman@first": not a concept name with an optional version
├── InvalidCombinationError    "woman + + man": not a sum of weighted references
├── InvalidSetError            a concept set, or a library's sets.yaml, is malformed
├── PhraseError                two prompts have no phrase between them, or a prompt no place for one
├── VectorFormatError          a file is not a sound vector file
├── VectorMismatchError        two vectors, or a vector and a model, do not belong together
└── UnknownConceptError        the library holds no vector of that name
    └── UnknownVersionError    it holds the concept, but not in that version
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path


class VectorError(Exception):
    """The root of this room's errors; its text names the bad value and the cure."""


class InvalidVectorError(VectorError):
    """The parts given for a vector do not make a sound one."""


class InvalidReferenceError(VectorError):
    """A reference is not a concept name with an optional version."""

    def __init__(self, reference: str, problem: str) -> None:
        self.reference = reference
        super().__init__(
            f"{reference!r} is not a vector reference: {problem}. "
            "Write a concept, such as 'woman' (its latest version), or a concept and a version, 'woman@2'."
        )


class InvalidCombinationError(VectorError):
    """An expression is not a sum of weighted references."""

    def __init__(self, expression: str, position: int, problem: str) -> None:
        self.expression = expression
        self.position = position
        super().__init__(
            f"{problem} at character {position + 1} of {expression!r}. "
            "Write terms joined by ' + ' or ' - ', each a reference with an optional weight before it: "
            "'woman + 0.5*with-glasses - asian@2'."
        )


class InvalidSetError(VectorError):
    """A concept set, or the file that defines sets, is malformed."""


class PhraseError(VectorError):
    """Two prompts have no phrase between them, or a prompt has no place for one."""


class VectorFormatError(VectorError):
    """A file is not a sound vector file: damaged, foreign, hostile or of a newer format."""

    def __init__(self, source: Path | str, problem: str) -> None:
        self.source = source
        self.problem = problem
        super().__init__(f"{source}: {problem}")


class VectorMismatchError(VectorError):
    """Two vectors, or a vector and a model, do not belong together; the text names both sides."""


class UnknownConceptError(VectorError):
    """The library holds no vector of that name."""

    def __init__(self, concept: str, known: Sequence[str], library: Path) -> None:
        self.concept = concept
        self.known = tuple(known)
        close = difflib.get_close_matches(concept.lower(), known)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        there = (
            f"It holds: {', '.join(known)}." if known else "It is empty: learn, import or publish a vector."
        )
        super().__init__(f"No concept {concept!r} in the library {library}.{hint} {there}")


class UnknownVersionError(UnknownConceptError):
    """The library holds the concept, but not in that version."""

    def __init__(self, concept: str, version: int, versions: Sequence[int], library: Path) -> None:
        self.concept = concept
        self.known = (concept,)
        self.version = version
        listed = ", ".join(map(str, versions))
        VectorError.__init__(
            self,
            f"No version {version} of {concept!r} in the library {library}. It holds: {listed}. "
            f"Use one of these, or {concept!r} alone for the latest.",
        )
