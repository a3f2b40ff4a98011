"""Responsible phrases of a prompt: "a fair-gender doctor", "without sexual content"; what they ask for, and why.

Entry points: `read_phrases`, which returns a `PhraseReading`; `shipped_phrases`, and `load_phrases` for a
user's own phrases.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from policies.prompt_reading.lexicon import Lexicon, load_lexicon
from policies.prompt_reading.phrase_context import describes_people, has_people, is_meant, noun_follows
from policies.prompt_reading.phrase_patterns import PhrasePattern, PhrasePatterns, load_patterns
from policies.prompt_reading.removal import without_spans


@dataclass(frozen=True)
class Ask:
    """What a phrase asks for: fairness on a concept set, or steering by a safety concept."""

    kind: Literal["fairness", "safety"]
    name: str
    """The concept set ("gender") or the concept ("anti-sexual")."""


@dataclass(frozen=True)
class ResponsiblePhrase:
    """A phrase as it stands in the prompt, from character `start` up to `end`."""

    text: str
    start: int
    end: int
    asks: tuple[Ask, ...]
    reason: str


@dataclass(frozen=True)
class PhraseReading:
    """The responsible phrases of a prompt, in its order, and the prompt without them."""

    phrases: tuple[ResponsiblePhrase, ...]
    prompt: str
    """What is left for the model; the prompt itself, letter for letter, where there is no phrase."""

    @property
    def sets(self) -> tuple[str, ...]:
        """The concept sets that fairness is asked for on, each once."""
        return self._named("fairness")

    @property
    def concepts(self) -> tuple[str, ...]:
        """The safety concepts that are asked for, each once."""
        return self._named("safety")

    def _named(self, kind: str) -> tuple[str, ...]:
        asked = (ask.name for phrase in self.phrases for ask in phrase.asks if ask.kind == kind)
        return tuple(dict.fromkeys(asked))


@dataclass(frozen=True)
class Phrases:
    """What phrases are read by."""

    patterns: PhrasePatterns
    lexicon: Lexicon
    """Tells which words are for people."""


def load_phrases(*added: Path, lexicon: Lexicon | None = None) -> Phrases:
    """Return the shipped phrases and those of these files; a LexiconError names what is wrong in one."""
    return Phrases(load_patterns(*added), load_lexicon() if lexicon is None else lexicon)


@lru_cache(maxsize=1)
def shipped_phrases() -> Phrases:
    """Return the shipped phrases, read with the shipped lexicon."""
    return load_phrases()


def read_phrases(prompt: str, phrases: Phrases) -> PhraseReading:
    """Return the responsible phrases of a prompt; the same for the same prompt.

    Of phrases that overlap the first is read, and of those that begin together the longest.
    """
    candidates = sorted(_candidates(prompt, phrases), key=lambda one: (one.start, -one.end))
    found: list[ResponsiblePhrase] = []
    for candidate in candidates:
        if not found or candidate.start >= found[-1].end:
            found.append(candidate)
    left = without_spans(prompt, [(phrase.start, phrase.end) for phrase in found])
    return PhraseReading(tuple(found), left)


def _candidates(prompt: str, phrases: Phrases) -> list[ResponsiblePhrase]:
    found = []
    for pattern in phrases.patterns.patterns:
        for match in pattern.found.finditer(prompt):
            asks = tuple(Ask(pattern.kind, name) for name in pattern.asked(match))
            if asks and _stands_rightly(pattern, prompt, *match.span(), phrases):
                text = match.group()
                found.append(ResponsiblePhrase(text, *match.span(), asks, _reason(text, asks)))
    return found


def _stands_rightly(pattern: PhrasePattern, prompt: str, start: int, end: int, phrases: Phrases) -> bool:
    """Whether what stands around a phrase leaves it its meaning, and has the people that it needs."""
    patterns, lexicon = phrases.patterns, phrases.lexicon
    if not is_meant(prompt, start, end, patterns, lexicon):
        return False
    if pattern.needs == "nothing":
        return not (pattern.ends_in_noun and noun_follows(prompt, end))
    # Without the phrase, as "a model of any race" is no model of something.
    people = has_people(f"{prompt[:start]} {prompt[end:]}", patterns, lexicon)
    if pattern.needs == "people":
        return people and not noun_follows(prompt, end)
    return describes_people(prompt, start, end, patterns, lexicon, people=people)


def _reason(text: str, asks: tuple[Ask, ...]) -> str:
    names = " and ".join(ask.name for ask in asks)
    return (
        f"{text!r} asks for fairness on {names}"
        if asks[0].kind == "fairness"
        else f"{text!r} asks for {names}"
    )
