"""Taking phrases out of a prompt so that what is left reads as if they had never stood there.

Entry point: `without_spans`.
"""

import re
from collections.abc import Sequence

_ARTICLE = re.compile(r"\b([Aa]n?)\s+$")
_JOINED_BEFORE = re.compile(
    r"(?:^|(?<=[,;|(\[]))\s*(?:and|or|but|with)\s*$|[\s,]+(?:and|or|but|with)\s*$", re.IGNORECASE
)
_JOINED_AFTER = re.compile(r"^\s*(?:and|or|but)\b\s*", re.IGNORECASE)
_ENDS = re.compile(r"^\s*(?:[,;|)\]\n.!?]|$)")
_BEING = re.compile(r"\s+(?:that|who|which)?\s*(?:is|are)\s*$", re.IGNORECASE)
# By the letter these begin with a vowel, by the sound they do not; and the other way round.
_SOUNDS_CONSONANT = ("uni", "use", "usu", "eu", "one", "once", "ura")
_SOUNDS_VOWEL = ("hour", "honest", "heir", "honour", "honor")


def without_spans(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return the text without these spans, which come in order and do not overlap.

    Conjunctions, brackets and commas that are left with nothing to join go too, and "a" before the
    words that follow a removed phrase becomes "an" where it must. Without spans the text is as it was.
    """
    if not spans:
        return text
    left = text[: spans[0][0]]
    for (_, end), (following, _) in zip(spans, [*spans[1:], (len(text), 0)], strict=True):
        left = _joined(left, text[end:following], last=following == len(text))
    return _tidied(left)


def _joined(before: str, after: str, *, last: bool) -> str:
    """Put together what stands on both sides of a removed phrase."""
    if _ARTICLE.search(before):
        after = re.sub(r"^\s*,\s*(?=\w)", " ", after)  # "a diverse, friendly team"
    ends = (last or after.strip() != "") and _ENDS.match(after) is not None
    opens = not before.strip() or before.rstrip()[-1] in ",;|([{" or _ARTICLE.search(before) is not None
    if ends:
        before = _BEING.sub("", before)
        before = _JOINED_BEFORE.sub("", before)
    elif opens:
        after = _JOINED_AFTER.sub("", after)
        if after and not before.endswith((" ", "(", "[")) and before:
            after = " " + after.lstrip()
    article = _ARTICLE.search(before)
    if article is not None and (word := re.match(r"\s*([\w']+)", after)):
        wanted = "an" if _vowel_sound(word[1]) else "a"
        kept = article[1][0] + wanted[1:]
        before = before[: article.start()] + kept + " "
    return before + after


def _vowel_sound(word: str) -> bool:
    word = word.lower()
    if word.startswith(_SOUNDS_VOWEL):
        return True
    return word[0] in "aeiou" and not word.startswith(_SOUNDS_CONSONANT)


def _tidied(text: str) -> str:
    text = re.sub(r"[(\[{]\s*[)\]}]", "", text)
    text = re.sub(r"[ \t]+", " ", text)
    text = re.sub(r"\s+([,;.!?)\]])", r"\1", text)
    text = re.sub(r"([(\[])\s+", r"\1", text)
    text = re.sub(r"([,;|])(?:\s*[,;|])+", r"\1", text)
    return text.strip(" \t,;|")
