"""What one image gets: concepts with strengths, words in its negative prompt, and the reasons for them.

Entry points: `ImagePlan`, `joined_negative_prompt`, `without_asked_words`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from policies.assignment import Counted
from policies.gate import Decision


@dataclass(frozen=True)
class Steer:
    """One concept of one image: how strongly it is added, and why.

    `concept_set` is the set it was drawn from; None for a concept that every image gets.
    """

    concept: str
    strength: float
    reason: str
    concept_set: str | None = None
    by_phrase: bool = False
    """Whether the prompt alone asked for it, and no rule of the policy or the floor."""


@dataclass(frozen=True)
class Averted:
    """What one image's negative prompt leads away from, and why."""

    concept: str
    words: str
    reason: str
    by_phrase: bool = False
    """Whether the prompt alone asked for it, and no rule of the policy or the floor."""


@dataclass(frozen=True)
class ImagePlan:
    """The steering of the image with this seed."""

    seed: int
    prompt: str
    """What the model reads."""
    steering: tuple[Steer, ...]
    averted: tuple[Averted, ...] = ()
    skipped: tuple[Decision, ...] = ()
    """What was not added, and why: of sets that the gate or the draw leaves alone, and for want of room."""
    removed: tuple[str, ...] = ()
    """The phrases of the prompt as it was given that the model does not read."""
    counted: tuple[Counted, ...] = ()
    """What the ledger counted for this image: to be given back where it is not made."""
    gate: tuple[Decision, ...] = ()
    """What was decided about each fairness rule from the prompt, the same for all images of a request."""

    @property
    def strengths(self) -> dict[str, float]:
        """Concept -> strength, as the engine takes it."""
        return {steer.concept: steer.strength for steer in self.steering}

    @property
    def words(self) -> tuple[str, ...]:
        """What goes into the negative prompt, before what the request asks for."""
        return tuple(one.words for one in self.averted)

    @property
    def members(self) -> dict[str, str]:
        """Concept set -> the member drawn for fairness."""
        return {steer.concept_set: steer.concept for steer in self.steering if steer.concept_set is not None}

    @property
    def drawn(self) -> tuple[str, ...]:
        """The members drawn for fairness, in the policy's order."""
        return tuple(steer.concept for steer in self.steering if steer.concept_set is not None)


def joined_negative_prompt(words: Iterable[str], asked: str) -> str:
    """Return an image's negative prompt: the policy's words, each once, then what the request asked for.

    The policy's come first, so that nothing in front of them changes their meaning.
    """
    return ", ".join(dict.fromkeys([*words, *([asked] if asked.strip() else [])]))


def without_asked_words(image: ImagePlan) -> ImagePlan:
    """Return the plan without the words that only the prompt asks for: their vectors act alone."""
    return replace(
        image,
        averted=tuple(one for one in image.averted if not one.by_phrase),
        skipped=(
            *image.skipped,
            *(
                Decision(one.concept, False, f"no room for {one.words!r} in the negative prompt")
                for one in image.averted
                if one.by_phrase
            ),
        ),
    )
