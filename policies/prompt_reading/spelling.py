"""Slips of the keyboard in the words that matter: "docter", "femal", "asain".

Entry point: `corrected`. Only words that no dictionary knows are touched, and only towards the lexicon's own words.
"""

import math
from collections.abc import Iterable

from policies.prompt_reading.lexicon import SHORTEST_CORRECTED, Lexicon
from policies.prompt_reading.tokens import FUNCTION_WORDS, Token

# From this length on, two slips still leave a word recognisable.
_LONG = 8
_NONE = (math.inf, True, True, 0, "")


def corrected(tokens: Iterable[Token], lexicon: Lexicon, *, capitals_mean_names: bool) -> None:
    """Put the spelling of the tokens' words right, in place."""
    known = lexicon.spellings
    for token in tokens:
        word = token.word
        if len(word) < SHORTEST_CORRECTED or not word.isalpha() or word in FUNCTION_WORDS or word in known:
            continue
        if token.parts or token.lemma in known or (capitals_mean_names and token.capital):
            continue
        for candidate in (word, word.removesuffix("s")):
            close = [other for other in known if _could_be(candidate, other)]
            slips, _, _, _, nearest = min((_unlikeness(candidate, other) for other in close), default=_NONE)
            if slips <= (2 if len(candidate) >= _LONG else 1):
                token.word = nearest
                break


def _unlikeness(word: str, other: str) -> tuple[float, bool, bool, int, str]:
    """Return the slips between two words; among as many, what begins and sounds alike comes first."""
    return (
        distance(word, other),
        word[0] != other[0],
        _heard(word) != _heard(other),
        abs(len(word) - len(other)),
        other,
    )


def _heard(word: str) -> str:
    """Leave out the vowels, which are mistaken most easily: "docter" is a doctor rather than a docker."""
    return "".join(letter for letter in word if letter not in "aeiou")


def _could_be(word: str, other: str) -> bool:
    """Whether they begin alike, the first two letters perhaps swapped, and are about as long."""
    return abs(len(word) - len(other)) <= 2 and (
        word[0] == other[0] or (word[:2] == other[1::-1] and len(other) > 1)
    )


def distance(one: str, other: str) -> int:
    """Return the optimal string alignment distance: letters added, left out, exchanged, or swapped with the next.

    The recurrence of Damerau (1964) as restricted in Boytsov's survey (2011), where no part is edited twice.
    """
    before, last = list[int](), list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
