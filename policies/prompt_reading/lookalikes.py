"""Letters that look like others, or like nothing: a prompt is read as people would read it.

Entry point: `plain_letters`. Prompts that are written around the gate, with a Cyrillic letter or a space of no width in
a word, read like the words that they look like.
"""

import re
import unicodedata
from typing import Final

# Letters of other scripts that a Latin word can be written with, from Unicode's confusables (UTS 39).
_LIKE: Final = str.maketrans(
    {
        **dict(zip("асԁеһіјӏкорԛѕтуѵԝхӡԍп", "acdehijlkopqstuvwxzgn", strict=True)),
        **dict(zip("αερονικτυωηγχβ", "aepoviktuwnyxb", strict=True)),
        **dict(zip("АВСЕНІЈКМОРЅТХУԜ", "ABCEHIJKMOPSTXYW", strict=True)),
        **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),
        **dict(zip("ıɑɡɩʏꜱօսո", "iagiysoun", strict=True)),
    }
)
_WORD: Final = re.compile(r"\w+")
_SEEN: Final = frozenset("\t\n\v\f\r")


def plain_letters(text: str) -> str:
    """Return a text in Unicode's compatibility form, without what cannot be seen, its words in Latin letters.

    A word is put into Latin letters where it has one, or where all of its letters look like one: other words are of
    another script, and stay.
    """
    seen = "".join(letter for letter in unicodedata.normalize("NFKC", text) if _is_seen(letter))
    return seen if seen.isascii() else _WORD.sub(_latin, seen)


def _is_seen(letter: str) -> bool:
    """Whether a letter is no format character, such as those of no width or direction, and no control character."""
    return letter in _SEEN or unicodedata.category(letter) not in ("Cf", "Cc")


def _latin(word: re.Match[str]) -> str:
    written = word.group()
    latin = written.translate(_LIKE)
    has_latin = any("a" <= letter <= "z" or "A" <= letter <= "Z" for letter in written)
    return latin if has_latin or latin.isascii() else written
