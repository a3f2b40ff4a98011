"""Phrases: what a prompt says more than another, and how to say it in any prompt with a noun.

Pure text, no torch. Entry point: `Phrase`.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Final

from vectors.errors import PhraseError

PERSON: Final = "person"
"""The noun that a pair of prompts has where others can stand."""


@dataclass(frozen=True)
class Phrase:
    """The words that state a concept about a noun: "black", "woman", "with glasses"."""

    before: str = ""
    """Words right before the noun."""
    after: str = ""
    """Words right after it."""
    is_noun: bool = False
    """Whether it can stand in the noun's place ("a woman" for "a person") and so belongs right beside it."""

    @classmethod
    def between(cls, negative: str, positive: str) -> Phrase:
        """Return what `positive` adds to `negative` around its word "person".

        >>> Phrase.between("a photo of a person", "a photo of an old person")
        Phrase(before='old', after='', is_noun=False)

        Raises PhraseError where `negative` has no "person" or `positive` adds nothing.
        """
        words, new = negative.split(), positive.split()
        if PERSON not in words:
            raise PhraseError(
                f"{negative!r} has no word {PERSON!r}: write the prompts with it, as 'a photo of a person' and "
                "'a photo of a woman', so that other nouns can take its place"
            )
        place = words.index(PERSON)
        before: list[str] = []
        after: list[str] = []
        replaced = False
        for tag, start, end, new_start, new_end in difflib.SequenceMatcher(
            a=words, b=new, autojunk=False
        ).get_opcodes():
            if tag == "equal":
                continue
            added = [word for word in new[new_start:new_end] if word not in ("a", "an")]
            replaced = replaced or start <= place < end
            (before if start <= place else after).extend(added)
        if not before and not after:
            raise PhraseError(f"{positive!r} says no more than {negative!r}: there is nothing to state")
        return cls(" ".join(before), " ".join(after), is_noun=replaced)

    def stated(self, prompt: str, noun: str) -> str:
        """Say it of the first `noun` in a prompt; the articles are mended. Raises PhraseError without that noun.

        >>> Phrase("woman", is_noun=True).stated("a photo of a doctor in a park", "doctor")
        'a photo of a woman doctor in a park'
        """
        keeps_noun = not (self.is_noun and noun == PERSON)
        said = " ".join(word for word in (self.before, noun if keeps_noun else "", self.after) if word)
        stated, found = re.subn(rf"\b{re.escape(noun)}\b", lambda _: said, prompt, count=1)
        if not found:
            raise PhraseError(f"{prompt!r} has no {noun!r} of which {said!r} could be said")
        return mend_articles(stated)


def state_all(phrases: list[Phrase], prompt: str, noun: str) -> str:
    """Say several things of a noun: adjectives first, what can be the noun itself beside it.

    >>> state_all([Phrase("woman", is_noun=True), Phrase("black")], "a photo of a person", "person")
    'a photo of a black woman'
    """
    for phrase in sorted(phrases, key=lambda one: one.is_noun):
        prompt = phrase.stated(prompt, noun)
    return prompt


def put_noun(template: str, noun: str) -> str:
    """Put a noun in the place of "person" and mend the articles; a template without it stays as it is.

    >>> put_noun("a photo of a person", "officer")
    'a photo of an officer'
    """
    return mend_articles(re.sub(rf"\b{PERSON}\b", noun, template))


def mend_articles(prompt: str) -> str:
    """Make every "a" and "an" fit the word behind it."""
    return re.sub(r"\b(?:a|an) (\w+)", lambda match: with_article(match.group(1)), prompt)


def with_article(phrase: str) -> str:
    """Put the indefinite article before a phrase.

    >>> with_article("old doctor")
    'an old doctor'
    """
    return f"{'an' if phrase[0].lower() in 'aeiou' else 'a'} {phrase}"
