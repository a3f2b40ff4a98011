"""The words that a prompt is read by: the shipped lists in words/, and those that a user adds.

Entry points: `load_lexicon`, `Lexicon`, `Phrases`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from policies.prompt_reading.tokens import Token, tokenised
from policies.prompt_reading.word_files import shipped_words, with_added

SHORTEST_CORRECTED = 4
"""Letters of a word whose spelling may be put right; shorter words are too like each other."""

Words = tuple[str, ...]
Value = TypeVar("Value")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PeopleWords(_Section):
    """people.yaml; what each list is for stands there, as for the sections below."""

    people: Mapping[str, Words] = {}
    endings: Words = ()
    tags: Mapping[str, str] = {}
    of_the_body: Words = ()


class ValueWords(_Section):
    """The words that state one value of an attribute."""

    people: Words = ()
    describing: Words = ()
    colours: Words = ()
    pronouns: Words = ()
    carriers: Words = ()


class AttributeWords(_Section):
    """attributes.yaml."""

    stated: Mapping[str, Mapping[str, ValueWords]] = {}
    origin_words: Words = ()
    coloured_things: Words = ()


class NameWords(_Section):
    """names.yaml."""

    famous: Words = ()
    surnames: Words = ()
    given: Words = ()
    titles: Words = ()
    works: Words = ()


class HistoryWords(_Section):
    """history.yaml."""

    groups: Words = ()
    periods: Words = ()
    times: Words = ()


class OtherwiseWords(_Section):
    """otherwise.yaml."""

    phrases: Words = ()
    likenesses: Words = ()
    made_of: Words = ()
    animals: Words = ()
    with_animals: Words = ()
    as_if: Words = ()
    about: Words = ()
    makers: Words = ()
    figurative: Words = ()
    belongings: Words = ()
    negators: Words = ()
    free_of: Words = ()


class WordLists(_Section):
    """All lists. A user's file has the same sections; its words are added, those of `remove` are taken out."""

    people: PeopleWords = PeopleWords()
    attributes: AttributeWords = AttributeWords()
    names: NameWords = NameWords()
    history: HistoryWords = HistoryWords()
    otherwise: OtherwiseWords = OtherwiseWords()
    remove: Words = ()


class Phrases(Generic[Value]):
    """Words and phrases, each with a value, found at a place of a prompt; the last word may be a plural."""

    def __init__(self, entries: Iterable[tuple[str, Value]]) -> None:
        self._by_first: dict[str, list[tuple[list[Token], list[Value]]]] = {}
        known: dict[tuple[tuple[str, bool], ...], list[Value]] = {}
        for phrase, value in entries:
            tokens = tokenised(phrase)
            key = tuple((token.word, token.possessive) for token in tokens)
            if key in known:
                known[key].append(value)
                continue
            known[key] = [value]
            self._by_first.setdefault(tokens[0].word, []).append((tokens, known[key]))
        for candidates in self._by_first.values():
            candidates.sort(key=lambda candidate: -len(candidate[0]))

    def __contains__(self, word: str) -> bool:
        return any(len(tokens) == 1 for tokens, _ in self._by_first.get(word, ()))

    @property
    def single_words(self) -> list[str]:
        """Every entry of one word."""
        return [
            word for word, found in self._by_first.items() if any(len(tokens) == 1 for tokens, _ in found)
        ]

    def at(self, tokens: Sequence[Token], start: int) -> tuple[int, Sequence[Value]] | None:
        """Return the length in tokens of the longest entry that begins at `start`, and its values; or None."""
        first = tokens[start]
        candidates = [*self._by_first.get(first.word, ())]
        if first.lemma != first.word:
            candidates += self._by_first.get(first.lemma, ())
        best: tuple[int, Sequence[Value]] | None = None
        for phrase, values in candidates:
            length = len(phrase)
            if (best is None or length > best[0]) and _matches(phrase, tokens[start : start + length]):
                best = length, values
        return best


def _matches(phrase: Sequence[Token], tokens: Sequence[Token]) -> bool:
    return len(phrase) == len(tokens) and all(
        wanted.word in (token.word, token.lemma)
        and (token.possessive or not wanted.possessive)
        and not (token.taken or token.segment != tokens[0].segment)
        for wanted, token in zip(phrase, tokens, strict=True)
    )


@dataclass(frozen=True)
class Stated:
    """What a word says of people: the value of an attribute."""

    attribute: str
    value: str


@dataclass(frozen=True)
class Lexicon:
    """The lists, ready for reading."""

    lists: WordLists
    people: Phrases[Stated | None]
    """Words for people, with what they state besides; None where it is nothing."""
    group_words: frozenset[str]
    """Words for many people at once, in the singular: "crowd", "family"."""
    describing: Phrases[Stated]
    colours: Phrases[Stated]
    pronouns: Phrases[Stated]
    carriers: Phrases[Stated]
    origins: frozenset[str]
    """Words of people that are also adjectives of origin: "an Asian", "Asian food"."""
    groups: Phrases[str]
    periods: Phrases[str]
    times: Phrases[str]
    phrases: Phrases[str]
    famous: Phrases[str]
    spellings: frozenset[str]
    """The words that a misspelt one is put right to."""
    as_if: Phrases[str]
    about: Phrases[str]
    works: Phrases[str]

    @property
    def attributes(self) -> frozenset[str]:
        """The attributes that it has words for."""
        return frozenset(self.lists.attributes.stated)


def load_lexicon(*added: Path) -> Lexicon:
    """Return the shipped lexicon with the words of these files; a LexiconError names what is wrong in one."""
    return _loaded(tuple(added))


@lru_cache(maxsize=8)
def _loaded(added: tuple[Path, ...]) -> Lexicon:
    shipped = {section: shipped_words(section) for section in WordLists.model_fields if section != "remove"}
    lists = with_added(
        shipped, added, WordLists, kind="lexicon", guide="docs/gate.md", as_lists=_with_attributes_apart
    )
    return _compiled(WordLists.model_validate(_without(lists.model_dump(), frozenset(lists.remove))))


def _with_attributes_apart(content: object) -> object:
    """Put the attributes, which may have any name, apart from the lists beside them."""
    if not (isinstance(content, dict) and isinstance(content.get("attributes"), dict)):
        return content
    lists = AttributeWords.model_fields.keys() - {"stated"}
    stated = {name: words for name, words in content["attributes"].items() if name not in lists}
    beside = {name: words for name, words in content["attributes"].items() if name in lists}
    return {**content, "attributes": {"stated": stated, **beside}}


def _without(content: object, words: frozenset[str]) -> object:
    if isinstance(content, Mapping):
        return {key: _without(value, words) for key, value in content.items() if key != "remove"}
    if isinstance(content, list | tuple):
        return [word for word in content if word not in words]
    return content


def _compiled(lists: WordLists) -> Lexicon:
    stated = [
        (Stated(attribute, value), words)
        for attribute, values in lists.attributes.stated.items()
        for value, words in values.items()
    ]
    plain = [(word, None) for words in lists.people.people.values() for word in words]
    tags = [(tag, None) for tag in lists.people.tags]
    gendered = [(word, fact) for fact, words in stated for word in words.people]
    describing = [(word, fact) for fact, words in stated for word in words.describing]
    origins = {word for word, fact in gendered if fact.attribute != "age"} & {word for word, _ in describing}
    people = Phrases[Stated | None]([*plain, *tags, *gendered])
    described = Phrases(describing)
    spellings = {*people.single_words, *described.single_words, "people", "women", "children"}
    return Lexicon(
        lists=lists,
        people=people,
        group_words=frozenset(lists.people.people.get("groups", ())),
        describing=described,
        colours=Phrases((word, fact) for fact, words in stated for word in words.colours),
        pronouns=Phrases((word, fact) for fact, words in stated for word in words.pronouns),
        carriers=Phrases((word, fact) for fact, words in stated for word in words.carriers),
        origins=frozenset(origins | {word for word, fact in gendered if fact.attribute == "race"}),
        groups=Phrases((word, word) for word in lists.history.groups),
        periods=Phrases((word, word) for word in lists.history.periods),
        times=Phrases((word, word) for word in lists.history.times),
        phrases=Phrases((word, word) for word in lists.otherwise.phrases),
        famous=Phrases((word, word) for word in lists.names.famous),
        spellings=frozenset(word for word in spellings if len(word) >= SHORTEST_CORRECTED),
        as_if=Phrases((word, word) for word in lists.otherwise.as_if),
        about=Phrases((word, word) for word in lists.otherwise.about),
        works=Phrases((word, word) for word in lists.names.works),
    )
