"""What can be wrong with a policy, as one tree.

PolicyError
├── ProbabilityError      shares that are no distribution
├── StrengthError         a strength of zero, or beyond the limit
├── ConflictError         one set or one concept named twice, or a case without what it depends on
├── WordError             no words for what a concept prevents
├── TooManyCellsError     more combinations of members than can be balanced
├── UnknownSetError       a concept set that is not loaded
├── UnknownMemberError    a share for something that is not in the set
├── UnknownConceptError   a concept without a vector
├── NoScreenError         finished pictures are to be looked at, and nothing can
├── UnknownCategoryError  unsafe content that the detector does not find
├── FloorError            a rule against the floor
├── FloorUnmetError       a floor that cannot be followed
├── NotAllowedError       a concept that this caller's policies may not name
├── PolicyFileError       a file that holds no policy
├── LexiconError          a file of added words that cannot be used
└── LabelledSetError      a file of labelled prompts that cannot be used
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


class WordError(PolicyError):
    """No words for what a concept prevents, where its rule puts them into the negative prompt."""


class TooManyCellsError(PolicyError):
    """More combinations of members of several sets than can be balanced."""


class UnknownSetError(PolicyError):
    """A concept set that is not loaded."""


class UnknownMemberError(PolicyError):
    """A share for a concept that is not a member of the set."""


class UnknownConceptError(PolicyError):
    """A concept without a loaded vector."""


class NoScreenError(PolicyError):
    """Finished pictures are to be looked at, and there is no detector."""


class UnknownCategoryError(PolicyError):
    """Unsafe content to be looked for that the detector does not find."""


class FloorError(PolicyError):
    """A rule that would weaken, replace or outweigh what the floor holds."""


class FloorUnmetError(PolicyError):
    """A floor that cannot be followed with what is loaded: nothing is served under it."""


class NotAllowedError(PolicyError):
    """A concept that a policy of this caller's may not name."""


class PolicyFileError(PolicyError):
    """A file that cannot be read, or holds something else than a policy."""


class LexiconError(PolicyError):
    """A file of words for the gate that cannot be read, or holds something else."""


class LabelledSetError(PolicyError):
    """A file of labelled prompts that cannot be read, or holds something else."""


def choose_from(name: str, known: Iterable[str]) -> str:
    """Return the cure for an unknown name: the closest known ones, and all there are."""
    names = sorted(known)
    if not names:
        return "None are loaded."
    close = get_close_matches(name, names, n=3)
    hint = f"Did you mean {' or '.join(repr(match) for match in close)}? " if close else ""
    return f"{hint}There are: {', '.join(names)}."
