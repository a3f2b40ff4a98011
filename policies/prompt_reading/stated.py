"""What a prompt states of its people: their gender, race, age, and any attribute that the lexicon has words for.

Entry point: `stated_attributes`.
"""

from collections.abc import Iterable, Sequence

from policies.prompt_reading.lexicon import Lexicon, Stated
from policies.prompt_reading.people import Mention, phrase_start
from policies.prompt_reading.tokens import Token

_COLLECTIVES = frozenset(
    {"group", "team", "pair", "bunch", "row", "line", "set", "class", "band", "cast", "board"}
)
_IS = frozenset({"is", "are", "was", "were", "be", "being", "looks", "look"})
_SUBJECTS = frozenset({"who", "that", "he", "she", "they"})
# "he is a nurse": these may come before the word for the person; "her cat and a nurse" says nothing of the nurse.
_NOMINATIVES = frozenset({"he", "she"})
_PLACE_PREPOSITIONS = frozenset({"from", "in", "across", "throughout"})
# In a part of the prompt of their own, beside these a word still stands alone: "asian, 40 years old".
_FILLERS = frozenset(
    {"a", "an", "the", "is", "of", "and", "or", "year", "years", "old", "who", "that", "all", "very"}
)


def stated_attributes(
    tokens: Sequence[Token], mentions: Sequence[Mention], lexicon: Lexicon
) -> dict[str, str]:
    """Return, for each attribute that the prompt states, the words that state it first.

    `mentions` are all of the prompt; where none of them is a person in the picture, nothing is stated.
    """
    present = [mention for mention in mentions if mention.otherwise is None]
    stated: dict[str, str] = {}
    if not present:
        return stated
    for mention in mentions:
        if mention.otherwise is None or mention.speaks_of_others:
            _note(stated, mention.states, mention.text)
    for mention in present:
        _read_described(stated, tokens, mention, lexicon)
    people_ends = {mention.end for mention in present}
    for place, token in enumerate(tokens):
        if token.taken:
            continue
        for words, test in (
            (lexicon.describing, _stands_for_people),
            (lexicon.colours, _stands_for_people),
        ):
            match = words.at(tokens, place)
            if match is not None and test(tokens, place, place + match[0], people_ends, lexicon):
                _note(stated, match[1], _written(tokens, place, match[0]))
        _read_place(stated, tokens, place, lexicon)
        pronoun = lexicon.pronouns.at(tokens, place)
        if pronoun is not None and (place >= present[0].start or token.word in _NOMINATIVES):
            _note(stated, pronoun[1], token.word)
    return stated


def _note(stated: dict[str, str], facts: Iterable[Stated], text: str) -> None:
    for fact in facts:
        stated.setdefault(fact.attribute, text)


def _read_described(
    stated: dict[str, str], tokens: Sequence[Token], mention: Mention, lexicon: Lexicon
) -> None:
    """Read the adjectives before a person's word."""
    first = _across_commas(tokens, _before_collective(tokens, mention.first, lexicon), lexicon)
    for place in range(first, mention.end):
        described = lexicon.describing.at(tokens, place)
        if described is not None:
            _note(stated, described[1], _written(tokens, place, described[0]))
        colour = lexicon.colours.at(tokens, place)
        if colour is not None and place < mention.start and _colours_people(tokens, place, mention, lexicon):
            _note(stated, colour[1], tokens[place].word)
    if first >= 2 and tokens[first - 1].word == "and" and lexicon.colours.at(tokens, first - 2) is not None:
        # "black and white dancers": the first colour is read as the second is.
        colour = lexicon.colours.at(tokens, mention.first)
        if colour is not None and mention.first < mention.start:
            _note(stated, colour[1], tokens[mention.first].word)


def _before_collective(tokens: Sequence[Token], first: int, lexicon: Lexicon) -> int:
    """Go back from "doctors" to what describes their group: "a diverse group of doctors"."""
    if first < 2 or tokens[first - 1].word != "of":
        return first
    head = tokens[first - 2]
    collective = head.lemma in lexicon.group_words or head.lemma in _COLLECTIVES
    return phrase_start(tokens, first - 2) if collective else first


def _across_commas(tokens: Sequence[Token], first: int, lexicon: Lexicon) -> int:
    """Go back over adjectives set off by commas: "an Asian, friendly doctor"."""
    while (
        0 < first < len(tokens)
        and tokens[first - 1].segment == tokens[first].segment - 1
        and not tokens[first].function
        and (
            lexicon.describing.at(tokens, first - 1) is not None
            or lexicon.colours.at(tokens, first - 1) is not None
            or tokens[first - 1].parts == {"ADJ"}
        )
    ):
        first -= 1
    return first


def _colours_people(tokens: Sequence[Token], place: int, mention: Mention, lexicon: Lexicon) -> bool:
    """Whether a colour before a person's word is the person's: not in "black haired man"."""
    follows = tokens[place + 1]
    things = lexicon.lists.attributes.coloured_things
    if follows.word in things or follows.lemma in things:
        return False
    return not (tokens[place].joined and place + 1 < mention.start)


def _stands_for_people(
    tokens: Sequence[Token], start: int, end: int, people_ends: set[int], lexicon: Lexicon
) -> bool:
    """Whether a describing word away from its noun is said of people."""
    segment = tokens[start].segment
    before = tokens[start - 1] if start > 0 and tokens[start - 1].segment == segment else None
    follows = tokens[end] if end < len(tokens) and tokens[end].segment == segment else None
    if follows is not None and follows.lemma in lexicon.lists.attributes.origin_words:
        return True
    if tokens[end - 1].word in ("skin", "skinned"):
        return True
    colour = lexicon.colours.at(tokens, start) is not None
    if before is not None and before.word in _IS and start >= 2:
        said_of_people = start - 1 in people_ends or tokens[start - 2].word in _SUBJECTS
        return said_of_people and (follows is None or follows.function or follows.taken)
    if start in people_ends and before is not None and not colour:
        return follows is None or follows.function
    alone = [token for token in tokens if token.segment == segment]
    others = [token for token in alone if token not in tokens[start:end]]
    # "masculine face" is; the colour in "black hair" is the hair's.
    body = () if colour else lexicon.lists.people.of_the_body
    return all(
        token.word in _FILLERS
        or token.word.isdigit()
        or token.parts == {"ADJ"}
        or token.word in body
        or token.lemma in body
        for token in others
    )


def _read_place(stated: dict[str, str], tokens: Sequence[Token], place: int, lexicon: Lexicon) -> None:
    """Read "from Nigeria", "in rural India", "in the United States"."""
    match = lexicon.carriers.at(tokens, place)
    if match is None or tokens[place].possessive:
        return
    back = place - 1
    while back >= 0 and place - back <= 2 and (tokens[back].word == "the" or "ADJ" in tokens[back].parts):
        if tokens[back].function and tokens[back].word != "the":
            break
        back -= 1
    end = place + match[0]
    goes_on = end < len(tokens) and tokens[end].segment == tokens[place].segment and not tokens[end].function
    if (
        back >= 0
        and tokens[back].word in _PLACE_PREPOSITIONS
        and not (goes_on and "NOUN" in tokens[end].parts)
    ):
        _note(stated, match[1], _written(tokens, back, end - back))


def _written(tokens: Sequence[Token], start: int, length: int) -> str:
    return " ".join(token.word for token in tokens[start : start + length])
