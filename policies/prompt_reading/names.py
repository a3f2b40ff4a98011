"""Does a prompt name a person, real or invented?

Entry points: `mark_phrases`, `named_person`.
"""

import re
from collections.abc import Sequence

from policies.prompt_reading.lexicon import Lexicon
from policies.prompt_reading.tokens import Token

_ORDINAL = re.compile(r"^(II|III|IV|V|VI|VII|VIII|IX|X|XI|XII|XIII|XIV|XV|XVI)$")
# So few words with capitals may be a name and nothing else: "Emma Watson".
_FEW = 2
# Titles that are nothing but titles; beside the others the prompt must have words without a capital: not in
# "Doctor Portrait".
_PURE_TITLES = frozenset({"mr", "mrs", "ms", "miss", "mister", "dr", "prof", "st", "sir"})
_NAMING = frozenset({"named", "called"})
# What a place may stand after: two unknown words with capitals there are more likely a place's name.
_BEFORE_NAMES = frozenset({"of", "and", "with", "named", "called", "portrait"})


def capitals_mean_names(tokens: Sequence[Token]) -> bool:
    """Whether a capital says something here: not in a prompt where every word has one."""
    words = [token for token in tokens if token.text[:1].isalpha() and not token.function]
    capitals = sum(token.capital for token in words)
    shouted = len(words) > 1 and all(token.text.isupper() for token in words)
    return not shouted and (capitals < len(words) or capitals <= _FEW)


def mark_phrases(tokens: Sequence[Token], lexicon: Lexicon) -> list[str]:
    """Take the fixed phrases and brands out of the reading; return them."""
    found = []
    position = 0
    while position < len(tokens):
        match = lexicon.phrases.at(tokens, position)
        if match is None:
            position += 1
            continue
        length, (phrase, *_) = match
        for token in tokens[position : position + length]:
            token.taken = True
        found.append(phrase)
        position += length
    return found


def named_person(tokens: Sequence[Token], lexicon: Lexicon) -> str | None:
    """Return the first name of a person who is in the picture, as it is written, or None.

    Names of artists and works ("in the style of Rembrandt", "playing Chopin") and in names of things ("Lincoln
    Memorial", "Einstein's desk") are taken out of the reading instead.
    """
    telling = capitals_mean_names(tokens)
    position = 0
    while position < len(tokens):
        length = _name_at(tokens, position, lexicon, telling)
        if not length:
            position += 1
            continue
        end = position + length
        named = tokens[position:end]
        written = " ".join(token.text for token in named)
        elsewhere = _is_of_a_work(tokens, position, lexicon) or _is_of_a_thing(tokens, end, lexicon)
        for token in named:
            token.taken = True
        if not elsewhere:
            return written
        position = end
    return None


def _name_at(tokens: Sequence[Token], start: int, lexicon: Lexicon, telling: bool) -> int:
    """Return how many words from `start` on are a name; 0 where none begins."""
    token = tokens[start]
    if token.taken:
        return 0
    follows = (
        tokens[start + 1] if start + 1 < len(tokens) and tokens[start + 1].segment == token.segment else None
    )
    names = lexicon.lists.names
    match = lexicon.famous.at(tokens, start)
    if match is not None and tokens[start + match[0] - 1].function and not token.capital:
        # "a doctor who smiles"
        match = None
    if match is not None and not (match[0] == 1 and telling and not token.capital and token.parts):
        return match[0] + _surnames_after(tokens, start + match[0], telling)
    if not telling:
        return 0
    if token.word in names.titles and not token.possessive:
        # "Dr. Smith", not "a doctor Asian".
        proper = (
            follows is not None
            and follows.capital
            and not follows.taken
            and not _is_ordinary(follows, lexicon)
        )
        if token.word not in _PURE_TITLES:
            proper = proper and any(not other.capital and not other.function for other in tokens)
        return 2 + _surnames_after(tokens, start + 2, telling) if proper else 0
    after_naming = start > 0 and tokens[start - 1].word in _NAMING
    if not token.capital:
        return 0
    if after_naming or token.word in names.given or token.word in names.surnames:
        return 1 + _surnames_after(tokens, start + 1, telling)
    unknown = not token.parts and not _is_ordinary(token, lexicon)
    known_before = start == 0 or tokens[start - 1].word in _BEFORE_NAMES
    if unknown and known_before and follows is not None and follows.capital and not follows.parts:
        return 0 if _is_ordinary(follows, lexicon) else 2
    return 0


def _surnames_after(tokens: Sequence[Token], start: int, telling: bool) -> int:
    """Count the words after a name that go on with it: "Maria da Silva", "Henry VIII"."""
    count = 0
    while telling and start + count < len(tokens):
        token = tokens[start + count]
        together = token.segment == tokens[start - 1].segment and not token.taken
        if not together or not (_ORDINAL.match(token.text) or (token.capital and not token.parts)):
            break
        count += 1
    return count


def _is_ordinary(token: Token, lexicon: Lexicon) -> bool:
    known = (lexicon.people, lexicon.describing, lexicon.periods, lexicon.carriers, lexicon.groups)
    return (
        token.function
        or token.lemma in lexicon.lists.people.of_the_body
        or any(token.word in words or token.lemma in words for words in known)
    )


def _is_of_a_work(tokens: Sequence[Token], start: int, lexicon: Lexicon) -> bool:
    """Whether the words before say that this is an artist or a work: "painted by", "in the style of"."""
    for back in (1, 2):
        if start >= back:
            match = lexicon.works.at(tokens, start - back)
            if match is not None and match[0] == back:
                return True
    return False


def _is_of_a_thing(tokens: Sequence[Token], end: int, lexicon: Lexicon) -> bool:
    """Whether the name goes on as a thing's: "Lincoln Memorial", "Van Gogh style", "Einstein's desk"."""
    if end >= len(tokens) or tokens[end].segment != tokens[end - 1].segment:
        return False
    follows = tokens[end]
    if follows.word in lexicon.lists.people.of_the_body or follows.lemma in lexicon.lists.people.of_the_body:
        return False
    if tokens[end - 1].possessive or tokens[end - 1].joined:
        return True
    if follows.function or follows.verb_form or follows.taken or _is_ordinary(follows, lexicon):
        return False
    return (
        "NOUN" in follows.parts
        and "ADV" not in follows.parts
        and not (follows.plural and "VERB" in follows.parts)
    )
