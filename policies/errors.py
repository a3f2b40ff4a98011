"""What can be wrong with a policy, as one tree.

PolicyError
├── ProbabilityError      shares that are no distribution
├── StrengthError         a strength of zero, or beyond the limit
├── ConflictError         one set or one concept named twice
├── UnknownSetError       a concept set that is not loaded
├── UnknownMemberError    a share for something that is not in the set
└── UnknownConceptError   a concept without a vector
"""

from collections.abc import Iterable
from difflib import get_close_matches


class PolicyError(ValueError):
    """A policy that cannot be followed.

    `field` is the path inside the policy ("fairness.0.target"), empty where the document's own
    validation adds it; `value` is what was given there; `cure` says what to write instead. It is a
    ValueError so that pydantic reports it with its place when a document is read.
    """

    def __init__(self, problem: str, *, value: object, cure: str, field: str = "") -> None:
        super().__init__(f"{problem} {cure}")
        self.problem = problem
        self.value = value
        self.cure = cure
        self.field = field


class ProbabilityError(PolicyError):
    """Shares that are negative, not finite or do not sum to 1."""


class StrengthError(PolicyError):
    """A strength of zero, not finite or beyond the limit."""


class ConflictError(PolicyError):
    """A set or a concept named twice, so that an image's strength would be ambiguous."""


class UnknownSetError(PolicyError):
    """A concept set that is not loaded."""


class UnknownMemberError(PolicyError):
    """A share for a concept that is not a member of the set."""


class UnknownConceptError(PolicyError):
    """A concept without a loaded vector."""


def choose_from(name: str, known: Iterable[str]) -> str:
    """Return the cure for an unknown name: the closest known ones, and all there are."""
    names = sorted(known)
    if not names:
        return "None are loaded."
    close = get_close_matches(name, names, n=3)
    hint = f"Did you mean {' or '.join(repr(match) for match in close)}? " if close else ""
    return f"{hint}There are: {', '.join(names)}."
