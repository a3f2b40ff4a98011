"""Does a prompt state a group of a time and place: "Viking warriors in 9th-century Norway"?

Entry point: `stated_group`.
"""

import re
from collections.abc import Sequence

from policies.prompt_reading.lexicon import Lexicon
from policies.prompt_reading.people import Mention
from policies.prompt_reading.tokens import DETERMINERS, Token, word_set

LAST_HISTORICAL_YEAR = 1949
"""Later years and decades say more of a picture's style than of its people."""

_TIME_PREPOSITIONS = frozenset(
    {"in", "of", "from", "during", "before", "after", "since", "around", "circa", "year"}
)
_ORDINAL = re.compile(r"^\d{1,2}(st|nd|rd|th)$")
_YEAR = re.compile(r"^(\d{3,4})s?$")
_SPELT_ORDINALS = word_set(
    """first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth
    fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"""
)


def stated_group(tokens: Sequence[Token], mentions: Sequence[Mention], lexicon: Lexicon) -> str | None:
    """Return the words that put the prompt's people into a time, or None."""
    for mention in mentions:
        if mention.otherwise is None:
            for place in range(mention.first, mention.end):
                match = lexicon.groups.at(tokens, place) or lexicon.periods.at(tokens, place)
                length = match[0] if match is not None else _figures_at(tokens, place)
                if length:
                    return _written(tokens, place, length)
    for place in range(1, len(tokens)):
        if tokens[place - 1].segment == tokens[place].segment:
            length = _time_after_preposition(tokens, place, lexicon)
            if length:
                return _written(tokens, place, length)
    return None


def _time_after_preposition(tokens: Sequence[Token], place: int, lexicon: Lexicon) -> int:
    """Return the length of a time that begins here, right after a preposition or its article; else 0."""
    before = place - 1
    if tokens[before].word in DETERMINERS and before > 0:
        before -= 1
        article = True
    else:
        article = False
    if tokens[before].word not in _TIME_PREPOSITIONS:
        return 0
    length = _figures_at(tokens, place)
    if length:
        return length
    for start in (place, place + 1):
        match = lexicon.times.at(tokens, start) if start < len(tokens) else None
        if match is not None and tokens[start].segment == tokens[place].segment:
            return start - place + match[0]
    period = lexicon.periods.at(tokens, place)
    end = place + period[0] if period is not None else 0
    if (
        period is not None
        and not article
        and end < len(tokens)
        and tokens[end].segment == tokens[place].segment
    ):
        # "in ancient Rome", but not "in a medieval town".
        country = lexicon.carriers.at(tokens, end)
        if country is not None or tokens[end].capital:
            return period[0] + 1
    return 0


def _figures_at(tokens: Sequence[Token], place: int) -> int:
    """Return the length of a century or of a year or decade that is history; else 0."""
    token = tokens[place]
    follows = tokens[place + 1].word if place + 1 < len(tokens) else ""
    if (_ORDINAL.match(token.word) or token.word in _SPELT_ORDINALS) and follows in ("century", "centuries"):
        return 2
    year = _YEAR.match(token.text.lower())
    if year is None:
        return 0
    if follows in ("bc", "bce", "ad", "ce"):
        return 2
    is_year = 1000 <= int(year.group(1)) <= LAST_HISTORICAL_YEAR
    return int(is_year and (token.word.endswith("s") or _dates(tokens, place)))


def _dates(tokens: Sequence[Token], place: int) -> bool:
    """Whether a bare number stands as a year does: "in 1815"."""
    return place > 0 and tokens[place - 1].word in _TIME_PREPOSITIONS


def _written(tokens: Sequence[Token], place: int, length: int) -> str:
    return " ".join(token.text for token in tokens[place : place + length])
