"""The lists of responsible phrases, made into patterns of what stands in a prompt.

Entry points: `load_patterns`, `PhrasePatterns`, `PhrasePattern`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from policies.errors import LexiconError
from policies.prompt_reading.word_files import shipped_words, with_added

Words = tuple[str, ...]
Needs = Literal["describes people", "people", "nothing"]
"""What must stand around a phrase for it to be read."""

_BETWEEN_WORDS = r"[\s\-‐-―]+"
_LISTED = r"[\s\-,/&]*(?:,|/|&|\band\b|\bor\b|\bnor\b)[\s\-]*"
_SLOT = re.compile(r"\{(set|adverb|adjective)\}")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SetNames(_Section):
    """What a concept set is called."""

    names: Words
    adverbs: Words = ()
    adjectives: Words = ()
    plainly: Words = ()


class SetPhrases(_Section):
    """Phrases that ask for fairness, by what must stand around them."""

    before_people: Words = ()
    beside_people: Words = ()


class FairnessPhrases(SetPhrases):
    """Fairness: those that name a set, and those that ask for every set."""

    sets: Mapping[str, SetNames] = {}
    of_every_set: SetPhrases = SetPhrases()


class KeptOut(_Section):
    """What a safety concept keeps out."""

    things: Words = ()
    adjectives: Words = ()
    plainly: Words = ()


class SafetyPhrases(_Section):
    """Safety: what is kept out, and the words that keep it out."""

    concepts: Mapping[str, KeptOut] = {}
    of_every_concept: KeptOut = KeptOut()
    free_of: Words = ()
    not_so: Words = ()
    degrees: Words = ()


class PhraseLists(_Section):
    """responsible.yaml; what each list is for stands there."""

    fairness: FairnessPhrases = FairnessPhrases()
    safety: SafetyPhrases = SafetyPhrases()
    negators: Words = ()
    between: Words = ()
    text: Words = ()
    about: Words = ()
    collectives: Words = ()


@dataclass(frozen=True)
class PhrasePattern:
    """One form of phrase: how it is found, and what it asks for."""

    found: re.Pattern[str]
    needs: Needs
    kind: Literal["fairness", "safety"]
    named: Mapping[str, re.Pattern[str]]
    """Set or concept -> how the group "slot" of `found` names it; empty where `asks` says it."""
    asks: Words = ()
    ends_in_noun: bool = True
    """Whether a noun right after it would make another thing of it: "no blood test"."""

    def asked(self, match: re.Match[str]) -> Words:
        """Return the sets or concepts that a match asks for."""
        if not self.named:
            return self.asks
        return tuple(name for name, pattern in self.named.items() if pattern.search(match["slot"]))


@dataclass(frozen=True)
class PhrasePatterns:
    """The lists, ready for reading."""

    patterns: tuple[PhrasePattern, ...]
    negated_before: re.Pattern[str]
    """Matches the end of a text after which a phrase is turned round."""
    text_before: re.Pattern[str]
    """Matches the end of a text after which words are those of a sign or a title, and not of the prompt."""
    about_before: re.Pattern[str]
    collectives: frozenset[str]


def load_patterns(*added: Path) -> PhrasePatterns:
    """Return the shipped phrases with those of these files; a LexiconError names what is wrong in one."""
    return _loaded(tuple(added))


@lru_cache(maxsize=8)
def _loaded(added: tuple[Path, ...]) -> PhrasePatterns:
    shipped, guide = shipped_words("responsible"), "docs/responsible_text.md"
    return _compiled(with_added(shipped, added, PhraseLists, kind="list of phrases", guide=guide))


def _compiled(lists: PhraseLists) -> PhrasePatterns:
    skipped = rf"(?:\b(?:{_any(lists.between)})\s+)*"
    return PhrasePatterns(
        patterns=(*_fairness_patterns(lists.fairness, lists.negators), *_safety_patterns(lists.safety)),
        negated_before=re.compile(rf"(?<!\w)(?:{_any(lists.negators)})[\s\-]+{skipped}$", re.IGNORECASE),
        text_before=re.compile(
            rf"(?P<before>\S*)\s*\b(?P<word>{_any(lists.text)})\b[^,;|\n]*$", re.IGNORECASE
        ),
        about_before=re.compile(rf"\b(?:{_any(lists.about)})\s+{skipped}$", re.IGNORECASE),
        collectives=frozenset(lists.collectives),
    )


def _fairness_patterns(fairness: FairnessPhrases, negators: Words) -> Iterator[PhrasePattern]:
    forms: dict[str, dict[str, Words]] = {
        "set": {name: words.names for name, words in fairness.sets.items()},
        "adverb": {name: words.adverbs for name, words in fairness.sets.items()},
        "adjective": {name: words.adjectives for name, words in fairness.sets.items()},
    }
    of_each: tuple[tuple[Needs, Words], ...] = (
        ("describes people", fairness.before_people),
        ("people", fairness.beside_people),
    )
    for needs, phrases in of_each:
        for phrase in phrases:
            slot = _SLOT.search(phrase)
            if slot is None:
                raise LexiconError(
                    f"The phrase {phrase!r} names no concept set.",
                    value=phrase,
                    cure="Write {set}, {adverb} or {adjective} for one, or move it to of_every_set.",
                )
            words = forms[slot[1]]
            before, after = (_phrase(part.strip()) for part in phrase.split(slot[0]))
            names = _list_of(_any(word for own in words.values() for word in own))
            text = _BETWEEN_WORDS.join(part for part in (before, f"(?P<slot>{names})", after) if part)
            yield PhrasePattern(
                _pattern(text), needs, "fairness", {name: _pattern(_any(own)) for name, own in words.items()}
            )
    for name, own in fairness.sets.items():
        if own.plainly:
            yield PhrasePattern(_pattern(_any(own.plainly)), "people", "fairness", {}, (name,))
    every = fairness.of_every_set
    asks = tuple(fairness.sets)
    # "a wonderfully diverse orchestra", but not "a hardly diverse" one.
    how = rf"(?:(?!(?:{_any(negators)})\b)(?:very|more|quite|[a-z]+ly)\s+)?"
    yield PhrasePattern(
        _pattern(rf"{how}(?:{_any(every.before_people)})"),
        "describes people",
        "fairness",
        {},
        asks,
        ends_in_noun=False,
    )
    yield PhrasePattern(_pattern(_any(every.beside_people)), "people", "fairness", {}, asks)


def _safety_patterns(safety: SafetyPhrases) -> Iterator[PhrasePattern]:
    every = safety.of_every_concept
    things = {name: (*own.things, *every.things) for name, own in safety.concepts.items()}
    adjectives = {name: (*own.adjectives, *every.adjectives) for name, own in safety.concepts.items()}
    free_of, not_so, degrees = _any(safety.free_of), _any(safety.not_so), _any(safety.degrees)
    thing = _any(word for own in things.values() for word in own)
    adjective = _any(word for own in adjectives.values() for word in own)
    some = rf"(?:\b(?:{degrees}){_BETWEEN_WORDS})*"
    so = rf"(?:(?:{not_so}){_BETWEEN_WORDS}|non)?"
    of_things = {name: _pattern(_any(own)) for name, own in things.items()}
    of_adjectives = {
        name: re.compile(rf"(?:{_any(own)})\b", re.IGNORECASE) for name, own in adjectives.items()
    }
    slot = _list_of(rf"{some}(?:{thing})", again=rf"(?:(?:{free_of}){_BETWEEN_WORDS})?")
    yield PhrasePattern(
        _pattern(rf"(?:{free_of}){_BETWEEN_WORDS}(?P<slot>{slot})"), "nothing", "safety", of_things
    )
    yield PhrasePattern(
        _pattern(rf"(?P<slot>{_list_of(f'(?:{thing})')}){_BETWEEN_WORDS}(?:free|less)"),
        "nothing",
        "safety",
        of_things,
        ends_in_noun=False,
    )
    first = rf"(?:(?:{not_so}){_BETWEEN_WORDS}|non)"
    yield PhrasePattern(
        _pattern(rf"{first}(?P<slot>{_list_of(f'(?:{adjective})', again=so)})"),
        "nothing",
        "safety",
        of_adjectives,
        ends_in_noun=False,
    )
    for name, own in safety.concepts.items():
        if own.plainly:
            yield PhrasePattern(
                _pattern(_any(own.plainly)), "nothing", "safety", {}, (name,), ends_in_noun=False
            )
    if every.plainly:
        asks = tuple(safety.concepts)
        yield PhrasePattern(_pattern(_any(every.plainly)), "nothing", "safety", {}, asks, ends_in_noun=False)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w'’])(?:{text})(?![\w])", re.IGNORECASE)


def _list_of(one: str, again: str = r"(?:any\s+|all\s+|every\s+|their\s+)?") -> str:
    """Return the pattern of one, or of several with commas or "and" between them."""
    return rf"(?:{one})(?:{_LISTED}{again}(?:{one}))*"


def _any(phrases: Iterable[str]) -> str:
    """Return the pattern of one of these phrases, the longest first; of none, what is nowhere."""
    return (
        "|".join(_phrase(phrase) for phrase in sorted(set(phrases), key=lambda one: (-len(one), one)))
        or r"(?!)"
    )


def _phrase(phrase: str) -> str:
    return _BETWEEN_WORDS.join(
        re.escape(word).replace("'", "['’]") for word in re.split(r"[\s\-]+", phrase) if word
    )
