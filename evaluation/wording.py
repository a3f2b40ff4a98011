"""Concepts in words, for methods that know nothing else of them.

Entry point: `Wording`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.prompts import Prompt
from vectors import ConceptVector, VectorLibrary
from vectors.errors import PhraseError
from vectors.phrases import Phrase, state_all


@dataclass(frozen=True)
class ConceptWords:
    """What states a concept, or the word for what an anti-concept prevents; neither where it is not known."""

    phrase: Phrase | None = None
    unwanted: str | None = None

    @classmethod
    def of(cls, vector: ConceptVector) -> ConceptWords:
        """Read them from the prompts that a vector was learned from."""
        prompts = vector.prompts
        if prompts.negative_prompt:
            return cls(unwanted=prompts.negative_prompt[0])
        if not prompts.positive or not prompts.negative:
            return cls()
        try:
            return cls(phrase=Phrase.between(prompts.negative[0], prompts.positive[0]))
        except PhraseError:  # learned from prompts between which there are no words to carry over
            return cls()


class Wording:
    """The words for the concepts of a library, which say the prompts that its vectors were learned from."""

    def __init__(self, library: VectorLibrary) -> None:
        self._library = library
        self._known: dict[str, ConceptWords] = {}

    def of(self, concept: str) -> ConceptWords:
        """Return the words for a concept; raises UnknownConceptError where the library does not hold it."""
        if concept not in self._known:
            self._known[concept] = ConceptWords.of(self._library.resolve(concept).vector)
        return self._known[concept]

    def can_state(self, concepts: Sequence[str]) -> bool:
        """Whether a prompt can ask for each of these concepts."""
        return all(words.phrase or words.unwanted for words in map(self.of, concepts))

    def can_avert(self, concepts: Sequence[str]) -> bool:
        """Whether each of these concepts is one that prevents something with a name."""
        return all(self.of(concept).unwanted for concept in concepts)

    def stated(self, text: str, noun: str, concepts: Sequence[str]) -> str:
        """Return a prompt that says of its noun what is wanted; raises PhraseError without that noun."""
        phrases = [words.phrase for words in map(self.of, concepts) if words.phrase]
        return state_all(phrases, text, noun)

    def unwanted(self, concepts: Sequence[str]) -> list[str]:
        """Return the words for what these concepts prevent, of those that prevent something."""
        return [words.unwanted for words in map(self.of, concepts) if words.unwanted]

    def explicit(self, prompt: Prompt, concepts: Sequence[str]) -> str:
        """Return the prompt that says all that is wanted, and without what it is to be."""
        stated = self.stated(prompt.text, prompt.noun, concepts)
        return ", ".join([stated, *(f"without {word}" for word in self.unwanted(concepts))])
