"""What stands around a phrase: is it the prompt's own word, or turned round, or text on a sign; are there people?

Entry points: `is_meant`, `describes_people`, `has_people`, `noun_follows`.
"""

import re

from policies.prompt_reading.lexicon import Lexicon
from policies.prompt_reading.people import find_mentions
from policies.prompt_reading.phrase_patterns import PhrasePatterns
from policies.prompt_reading.reading import read_prompt
from policies.prompt_reading.tokens import DETERMINERS, Token, tokenised

_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|«[^»]*»|(?<!\w)'[^'\n]+'(?!\w)|(?<!\w)‘[^’\n]+’(?!\w)")
_BREAK = re.compile(r"[,;:|()\[\]{}!?\n.]")
_BEING = re.compile(r"\b(?:is|are|was|were|be|looks?|being)\s+(?:\w+ly\s+|very\s+)?$", re.IGNORECASE)
# Words before a person's text: "a poster reading", but not "a teacher reading".
_DONE_BY_PEOPLE = frozenset({"reading", "saying", "says", "said", "reads"})


def is_meant(prompt: str, start: int, end: int, patterns: PhrasePatterns, lexicon: Lexicon) -> bool:
    """Whether the phrase from `start` to `end` is asked for: not quoted, not about something, not negated."""
    if any(quote.start() < end and start < quote.end() for quote in _QUOTED.finditer(prompt)):
        return False
    before = prompt[:start]
    if patterns.negated_before.search(before) or patterns.about_before.search(before):
        return False
    text = patterns.text_before.search(before)
    if text is None:
        return True
    if text["word"].lower() not in _DONE_BY_PEOPLE:
        return False
    doer = tokenised(text["before"])
    return bool(doer) and lexicon.people.at(doer, 0) is not None


def has_people(prompt: str, patterns: PhrasePatterns, lexicon: Lexicon) -> bool:
    """Whether the prompt has people, or a group of nobody else, for a phrase to be about."""
    if read_prompt(prompt, lexicon).people:
        return True
    tokens = tokenised(prompt)
    return any(_is_collective_head(tokens, place, patterns) for place in range(len(tokens)))


def describes_people(
    prompt: str, start: int, end: int, patterns: PhrasePatterns, lexicon: Lexicon, *, people: bool
) -> bool:
    """Whether the phrase stands before people, or after "is", or alone between commas where there are `people`."""
    after = prompt[end:]
    alone_after = not after.strip() or _BREAK.match(after.lstrip()) is not None
    if people and alone_after:
        alone_before = not prompt[:start].strip() or _BREAK.match(prompt[:start].rstrip()[-1]) is not None
        if alone_before:
            return True
    if people and _BEING.search(prompt[:start]):
        follows = tokenised(after)
        if alone_after or (follows and follows[0].function):
            return True
    adjectives = tokenised(after.lstrip().removeprefix(","))
    if after.lstrip().startswith(",") and adjectives and "ADJ" in adjectives[0].parts:
        # "a diverse, friendly team"
        return _stands_before_people(adjectives, patterns, lexicon)
    if alone_after:
        return False
    return _stands_before_people(tokenised(after), patterns, lexicon)


def noun_follows(prompt: str, end: int) -> bool:
    """Whether a noun goes on right after `end` and makes another thing of it: "no blood | test"."""
    after = prompt[end:]
    if not after.strip() or _BREAK.match(after.lstrip()):
        return False
    token = next(iter(tokenised(after)), None)
    if token is None or token.function or token.verb_form or token.word in DETERMINERS:
        return False
    return "NOUN" in token.parts and not token.parts & {"ADV", "ADJ"}


def _stands_before_people(tokens: list[Token], patterns: PhrasePatterns, lexicon: Lexicon) -> bool:
    """Whether a noun phrase of people begins a text: "young doctors", "team of engineers", "photo of a nurse"."""
    if not tokens:
        return False
    start = 0
    while start < len(tokens) and tokens[start].word in DETERMINERS:
        start += 1
    rest = tokens[start:]
    end = next(
        (place for place, token in enumerate(rest) if token.function or token.segment != rest[0].segment),
        len(rest),
    )
    if end == 0:
        if rest and rest[0].word == "and":
            return _stands_before_people(rest[1:], patterns, lexicon)
        return False
    mentions = find_mentions(rest, lexicon)
    if any(mention.first == 0 and mention.otherwise is None for mention in mentions):
        return True
    head = rest[end - 1]
    of_follows = end < len(rest) and rest[end].word == "of" and rest[end].segment == rest[0].segment
    body = lexicon.lists.people.of_the_body
    if of_follows and (
        head.lemma in patterns.collectives or head.lemma in body or head.lemma in ("set", "mix")
    ):
        return _stands_before_people(rest[end + 1 :], patterns, lexicon)
    if end < len(rest) and rest[end].word == "and" and "ADJ" in head.parts:
        return _stands_before_people(rest[end + 1 :], patterns, lexicon)
    return head.lemma in patterns.collectives and not of_follows


def _is_collective_head(tokens: list[Token], place: int, patterns: PhrasePatterns) -> bool:
    if tokens[place].lemma not in patterns.collectives:
        return False
    follows = tokens[place + 1] if place + 1 < len(tokens) else None
    return (
        follows is None
        or follows.segment != tokens[place].segment
        or (follows.function and follows.word != "of")
    )
