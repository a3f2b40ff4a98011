"""A prompt as words: split, lower-cased, lemmatised, with what the dictionary knows of each.

Entry points: `tokenised`, `Token`, `noun_lemma`, `parts_of_speech`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from lemminflect import getAllLemmas, getLemma

from policies.prompt_reading.lookalikes import plain_letters

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*['’]?|&")
_BREAK = re.compile(r"[,;:|()\[\]{}!?\n\"“”]|\.(?=\s|$)|\s[-–—]\s")
# A full stop after these ends no sentence.
_ABBREVIATED = frozenset({"dr", "mr", "mrs", "ms", "st", "prof", "jr", "sr", "vs", "no"})


def word_set(words: str) -> frozenset[str]:
    """Return the words of a line of them."""
    return frozenset(words.split())


FUNCTION_WORDS = word_set(
    """a an the this that these those some any many few several each every another both all my your his her
    its our their one two three four five six seven eight nine ten dozen hundred and or nor but than
    then so yet & of in on at to from by with without for into onto over under above below between
    among against across along around behind before after beside besides during through throughout
    toward towards up down out off near next inside outside within upon via per as like about except
    is are was were be been being am isn't aren't wasn't has have had do does did don't will would
    can could may might must shall should let's please there here where when while who whom whose
    which what how why if because not no never only very also too just even still again away alone
    together i you he she it we they me him them us himself herself itself themselves nobody none
    nothing doing amid atop aboard beneath underneath using wearing holding looking having"""
)
"""Words that stand between noun phrases or begin one, so that no compound goes on across them."""

DETERMINERS = word_set(
    """a an the this that these those some any many few several each every another both all my your his her
    its our their one two three four five six seven eight nine ten dozen hundred single"""
)


@dataclass
class Token:
    """A word of a prompt; `taken` once it is known to be part of a name or a fixed phrase."""

    text: str
    word: str
    """In lower case, without a possessive's ending, its spelling put right."""
    possessive: bool
    segment: int
    """Counts the parts of a prompt between commas, brackets and the like."""
    joined: bool
    """Whether a hyphen joins it to the next word."""
    taken: bool = False

    @property
    def lemma(self) -> str:
        """The word in the singular, were it a noun."""
        return noun_lemma(self.word)

    @property
    def plural(self) -> bool:
        """Whether it is a noun in the plural."""
        return self.lemma != self.word or self.word in _PLURALS

    @property
    def capital(self) -> bool:
        """Whether it begins with a capital."""
        return self.text[:1].isupper()

    @property
    def parts(self) -> frozenset[str]:
        """The parts of speech that the dictionary has it as; empty for an unknown word."""
        return parts_of_speech(self.word)

    @property
    def function(self) -> bool:
        """Whether it is a function word, or a number."""
        return self.word in FUNCTION_WORDS or self.word.isdigit()

    @property
    def verb_form(self) -> bool:
        """Whether it is a participle: "smiling", "dressed"."""
        return self.word.endswith(("ing", "ed")) and "VERB" in self.parts


_PLURALS = frozenset({"people", "police", "folk", "public", "clergy"})


def tokenised(text: str) -> list[Token]:
    """Return the words of a text."""
    normal = plain_letters(text)
    tokens: list[Token] = []
    segment, end = 0, 0
    for found in _WORD.finditer(normal):
        between = normal[end : found.start()]
        if tokens:
            stop = between.lstrip().startswith(".") and tokens[-1].word in _ABBREVIATED
            if _BREAK.search(between + " ") and not stop:
                segment += 1
            tokens[-1].joined = between == "-"
        word = found.group().lower().replace("’", "'")
        possessive = word.endswith(("'s", "s'"))
        if possessive:
            word = word[:-2] if word.endswith("'s") else word[:-1]
        tokens.append(Token(found.group(), word.rstrip("'"), possessive, segment, joined=False))
        end = found.end()
    return tokens


@lru_cache(maxsize=50_000)
def noun_lemma(word: str) -> str:
    """Return the singular of a noun; the word itself where it is none, or none the dictionary knows."""
    if word in FUNCTION_WORDS:
        return word
    lemmas = getLemma(
        word, upos="NOUN", lemmatize_oov=not parts_of_speech(word) and word.endswith(("s", "men"))
    )
    return str(lemmas[0]).lower() if lemmas else word


@lru_cache(maxsize=50_000)
def parts_of_speech(word: str) -> frozenset[str]:
    """Return what the dictionary has a word as: NOUN, VERB, ADJ, ADV, ...; empty where it does not know it."""
    return frozenset(getAllLemmas(word))
