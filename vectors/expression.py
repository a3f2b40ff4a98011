"""Sums of vectors as text: "woman + 0.5*with-glasses - asian@2". Pure text. Entry point: `parse_sum`."""

from __future__ import annotations

import re

from vectors.errors import InvalidCombinationError
from vectors.names import Reference

_SIGN = re.compile(r"\s*([+-]?)\s*")
_WEIGHT = re.compile(r"([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)\s*\*\s*")
# A concept's name may hold '-', so a minus sign needs a space before it.
_REFERENCE = re.compile(r"([a-z0-9][a-z0-9-]*(?:@[0-9]+)?)")


def parse_sum(text: str) -> list[tuple[Reference, float]]:
    """The terms of a sum in their order, each a reference and its signed weight (1 where none is written).

    Raises InvalidCombinationError, which tells the character, where the text is anything else.
    """
    terms: list[tuple[Reference, float]] = []
    position, end = 0, len(text.rstrip())
    while position < end or not terms:
        sign, position = _taken(_SIGN, text, position)
        if terms and not sign:
            raise InvalidCombinationError(text, position, "A '+' or '-' is missing")
        weight, position = _taken(_WEIGHT, text, position)
        reference, after = _taken(_REFERENCE, text, position)
        if not reference:
            raise InvalidCombinationError(text, position, "A concept is missing")
        position = after
        terms.append((Reference.parse(reference), float(f"{sign}{weight or 1}")))
    return terms


def _taken(pattern: re.Pattern[str], text: str, position: int) -> tuple[str, int]:
    """What the pattern's group matches at `position` ("" for nothing), and the position after the match."""
    match = pattern.match(text, position)
    return (match[1], match.end()) if match else ("", position)
