"""The gate: to which images fairness applies, decided from the prompt alone, with a reason for every decision.

Entry points: `Gate` (the interface), `LexiconGate` (the shipped one), `shipped_gate`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from policies.prompt_reading.lexicon import Lexicon, load_lexicon
from policies.prompt_reading.reading import PromptReading, read_prompt

ReasonClass: TypeAlias = Literal[
    "open", "always", "phrase", "no_people", "named_person", "stated", "stated_group", "other"
]
"""What kind of reason a decision has, for who counts them: the reason itself may quote the prompt."""


@dataclass(frozen=True)
class Decision:
    """Whether fairness applies to a prompt for one concept set, and why."""

    concept_set: str
    applies: bool
    reason: str
    kind: ReasonClass = "other"


class Gate(Protocol):
    """Decides from a prompt where fairness applies; another reader of prompts takes this form."""

    def decide(self, prompt: str, concept_sets: Sequence[str]) -> list[Decision]:
        """Return one decision per concept set, in their order; the same for the same prompt."""
        ...


class LexiconGate:
    """Decides by the words of a lexicon.

    A concept set is about the attribute of its name ("gender", "race", "age"). Of a set that the lexicon has no words
    for, no prompt states anything: it applies wherever there are people. Where the lexicon knows no word of the prompt
    for a person, and so has nothing to go by, a `second` gate decides if there is one.
    """

    def __init__(self, lexicon: Lexicon, second: Gate | None = None) -> None:
        self.lexicon = lexicon
        self.second = second

    def read(self, prompt: str) -> PromptReading:
        """Return all that the decisions rest on."""
        return read_prompt(prompt, self.lexicon)

    def decide(self, prompt: str, concept_sets: Sequence[str]) -> list[Decision]:
        """Return one decision per concept set."""
        reading = self.read(prompt)
        own = [self._decided(reading, concept_set) for concept_set in concept_sets]
        if self.second is None:
            return own
        if reading.says_something:
            return [replace(decision, reason=f"lexicon: {decision.reason}") for decision in own]
        return [
            replace(other, reason=f"lexicon: {decision.reason}; {other.reason}")
            for decision, other in zip(own, self.second.decide(prompt, concept_sets), strict=True)
        ]

    def _decided(self, reading: PromptReading, concept_set: str) -> Decision:
        if reading.named is not None:
            return Decision(concept_set, False, f"a person is named: {reading.named!r}", "named_person")
        if not reading.people:
            return Decision(concept_set, False, _nobody(reading), "no_people")
        if reading.group is not None:
            reason = f"a group of a time and place is stated: {reading.group!r}"
            return Decision(concept_set, False, reason, "stated_group")
        if concept_set in reading.stated:
            reason = f"{concept_set} stated by {reading.stated[concept_set]!r}"
            return Decision(concept_set, False, reason, "stated")
        people = " and ".join(repr(mention.text) for mention in reading.people[:3])
        known = (
            "open" if concept_set in self.lexicon.attributes else "open, as the lexicon has no words for it"
        )
        several = (
            "; one draw for all of them, as a vector acts on the whole picture" if reading.several else ""
        )
        return Decision(concept_set, True, f"{people}: {concept_set} {known}{several}", "open")


def _nobody(reading: PromptReading) -> str:
    if reading.otherwise:
        return f"no people: {reading.otherwise[0].otherwise}"
    if reading.phrases:
        return f"no people: {reading.phrases[0]!r} is a fixed phrase"
    return "no people: no word of the prompt is for a person"


@lru_cache(maxsize=8)
def shipped_gate(*added: Path) -> LexiconGate:
    """Return the gate of the shipped lexicon and of these files of added words.

    Raises LexiconError for a file that is not usable.
    """
    return LexiconGate(load_lexicon(*added))
