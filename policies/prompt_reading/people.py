"""Finding the people of a prompt: every word for a person, and whether a person is really in the picture.

Entry points: `find_mentions`, `Mention`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from policies.prompt_reading.lexicon import Lexicon, Stated
from policies.prompt_reading.tokens import DETERMINERS, Token, word_set

_NEVER_VERBS = frozenset({"people", "person", "woman", "human", "child", "baby", "family", "crowd"})
_BEFORE_VERBS = word_set(
    """to will can must should could would shall let's please i you we they who that which it he she and
    then don't"""
)
_COUNTS = word_set("one two three four five six seven eight nine ten")
_POSSESSIVES = word_set("the a an his her its their our your my")
_OBJECTS = word_set("me you him us them it itself himself herself themselves")
_AMONG = word_set("of among amongst")
_IS = word_set("is was are were")
_RELATIVES = word_set("that which who")


@dataclass(frozen=True)
class Mention:
    """A word or phrase for people in a prompt, from token `start` up to `end`.

    `otherwise` says why nobody is in the picture for it; None where somebody is.
    """

    text: str
    start: int
    end: int
    first: int
    """Where the noun phrase begins: its adjectives are the tokens from here to `start`."""
    plural: bool
    states: tuple[Stated, ...]
    otherwise: str | None = None
    speaks_of_others: bool = False
    """Whether it says something of the other people all the same: "a doctor, not a man", "a Latina dancer"."""


def find_mentions(tokens: Sequence[Token], lexicon: Lexicon) -> list[Mention]:
    """Return every mention of people, in the prompt's order, those that are used otherwise too."""
    mentions = []
    position = 0
    while position < len(tokens):
        match = None if tokens[position].taken else _person_at(tokens, position, lexicon)
        if match is None:
            position += 1
            continue
        length, states = match
        end = position + length
        last = tokens[end - 1]
        first = phrase_start(tokens, position)
        group = last.lemma in lexicon.group_words or last.word in lexicon.group_words
        otherwise = _used_otherwise(tokens, position, end, lexicon, group=group)
        mentions.append(
            Mention(
                text=" ".join(token.word for token in tokens[position:end]),
                start=position,
                end=end,
                first=first,
                plural=last.plural or group or (last.text[:1].isdigit() and not last.text.startswith("1")),
                states=tuple(fact for fact in states if fact is not None),
                otherwise=otherwise,
                speaks_of_others=otherwise is not None
                and (_follows_not(tokens, first) or _describes_a_person(tokens, end, lexicon)),
            )
        )
        position = end
    return mentions


def _person_at(
    tokens: Sequence[Token], start: int, lexicon: Lexicon
) -> tuple[int, Sequence[Stated | None]] | None:
    token = tokens[start]
    group = lexicon.groups.at(tokens, start)
    match = lexicon.people.at(tokens, start)
    if token.word in lexicon.lists.people.tags:
        meant = lexicon.lists.people.tags[token.word]
        states = lexicon.people.at([Token(meant, meant, False, 0, False)], 0)
        return 1, states[1] if states else [None]
    if group is not None and (match is None or group[0] > match[0]):
        return group[0], [None]
    if match is not None:
        return match
    if not token.parts and any(
        token.lemma.endswith(ending) and token.lemma != ending for ending in lexicon.lists.people.endings
    ):
        return 1, [None]
    return None


def phrase_start(tokens: Sequence[Token], head: int) -> int:
    """Return where the adjectives and nouns before `head` begin, not counting a determiner."""
    first = head
    while first > 0:
        before = tokens[first - 1]
        verb = before.parts == {"VERB"} and not before.verb_form
        if (
            before.segment != tokens[head].segment
            or before.function
            or before.taken
            or before.possessive
            or verb
        ):
            break
        first -= 1
    return first


def _used_otherwise(
    tokens: Sequence[Token], start: int, end: int, lexicon: Lexicon, *, group: bool
) -> str | None:
    word = tokens[end - 1]
    text = " ".join(token.word for token in tokens[start:end])
    follows = tokens[end] if end < len(tokens) and tokens[end].segment == word.segment else None
    if word.possessive:
        return None if _body_follows(tokens, end, lexicon) else f"{text!r} owns what is shown"
    if end - start == 1 and _is_verb(tokens, start):
        return f"{text!r} is a verb"
    if (
        group
        and follows is not None
        and follows.word == "of"
        and not _people_within(tokens, end + 1, lexicon)
    ):
        return f"{text!r} is not of people"
    if _is_figurative(tokens, end, lexicon):
        return f"{text!r} is a way of speaking"
    if follows is not None and _is_compound(tokens, start, end, lexicon):
        return f"{text!r} describes {follows.word!r}"
    first = phrase_start(tokens, start)
    others = lexicon.lists.otherwise
    for modifier in tokens[first:start]:
        if modifier.word in others.made_of or modifier.lemma in others.made_of:
            return f"{modifier.word!r} makes a likeness of {text!r}"
        if modifier.word in others.negators:
            return f"{modifier.word!r} keeps {text!r} out"
    if start > first and tokens[start - 1].lemma in others.animals and word.lemma not in others.with_animals:
        return f"{text!r} is a {tokens[start - 1].word}"
    return _kept_out_before(tokens, first, text, lexicon, plural=word.plural)


def _kept_out_before(
    tokens: Sequence[Token], first: int, text: str, lexicon: Lexicon, *, plural: bool
) -> str | None:
    """Say what the words before a noun phrase do to it: "no", "statue of", "dressed as", "for"."""
    others = lexicon.lists.otherwise
    segment = tokens[first].segment
    place = first - 1
    determined = False
    while place >= 0 and tokens[place].segment == segment and tokens[place].word in DETERMINERS:
        determined = True
        place -= 1
    if place < 0 or tokens[place].segment != segment:
        return None
    before = tokens[place]
    earlier = tokens[place - 1] if place > 0 and tokens[place - 1].segment == segment else None
    if before.word in others.negators:
        return f"{before.word!r} keeps {text!r} out"
    for phrases, what in ((lexicon.as_if, "compares to"), (lexicon.about, "is only about")):
        if _ends_at(tokens, place, phrases.at):
            return f"{before.word!r} {what} {text!r}"
    if before.word in ("of", "from") and earlier is not None and earlier.word in others.free_of:
        return f"'{earlier.word} {before.word}' keeps {text!r} out"
    if before.word == "of" and earlier is not None:
        if earlier.lemma in others.likenesses:
            return f"a {earlier.lemma} of {text!r}"
        if earlier.lemma in others.belongings and not plural:
            return f"{text!r} owns the {earlier.lemma}"
    if before.word in _IS and earlier is not None:
        subject = tokens[place - 2] if earlier.word in _RELATIVES and place > 1 else earlier
        if subject.segment == segment and (
            subject.lemma in others.animals or subject.lemma in others.made_of
        ):
            return f"{text!r} is said of the {subject.word}"
    if before.word == "for" and not _acts(tokens, place - 1, lexicon):
        return f"something is for {text!r}"
    if (
        before.word == "by"
        and earlier is not None
        and (earlier.word in others.makers or earlier.lemma in others.makers)
    ):
        return f"{text!r} made it"
    if before.word in ("and", "or", "nor", "&") and earlier is not None:
        through = _kept_out_before(tokens, phrase_start(tokens, place), text, lexicon, plural=plural)
        if through is not None and not (determined and before.word == "and" and "keeps" in through):
            return through
    return None


def _ends_at(
    tokens: Sequence[Token],
    place: int,
    at: Callable[[Sequence[Token], int], tuple[int, object] | None],
) -> bool:
    """Whether one of the phrases ends at this place."""
    for start in range(max(0, place - 3), place + 1):
        match = at(tokens, start)
        if match is not None and start + match[0] == place + 1:
            return True
    return False


def _acts(tokens: Sequence[Token], place: int, lexicon: Lexicon) -> bool:
    """Whether "for" after this word leads on to somebody present: "caring for a child", not "shoes for men"."""
    if place < 0 or tokens[place].segment != tokens[place + 1].segment:
        return False
    token = tokens[place]
    if token.verb_form:
        return True
    subject = tokens[place - 1] if place > 0 and tokens[place - 1].segment == token.segment else None
    said_of = subject is not None and subject.parts and "NOUN" in subject.parts and "ADJ" not in subject.parts
    verb = token.plural and "VERB" in token.parts and token.lemma not in lexicon.lists.otherwise.belongings
    return bool(verb and said_of)


def _follows_not(tokens: Sequence[Token], first: int) -> bool:
    place = first - 1
    while place >= 0 and tokens[place].word in DETERMINERS:
        place -= 1
    return place >= 0 and tokens[place].word in ("not", "isn't")


def _body_follows(tokens: Sequence[Token], end: int, lexicon: Lexicon) -> bool:
    segment = tokens[end - 1].segment
    for token in tokens[end : end + 3]:
        if token.segment != segment or token.function:
            return False
        if token.word in lexicon.lists.people.of_the_body or token.lemma in lexicon.lists.people.of_the_body:
            return True
    return False


def _people_within(tokens: Sequence[Token], start: int, lexicon: Lexicon) -> bool:
    segment = tokens[start - 1].segment
    return any(
        _person_at(tokens, place, lexicon) is not None
        for place in range(start, min(start + 4, len(tokens)))
        if tokens[place].segment == segment
    )


def _is_verb(tokens: Sequence[Token], place: int) -> bool:
    token = tokens[place]
    if "VERB" not in token.parts or token.word in _NEVER_VERBS or token.lemma in _NEVER_VERBS:
        return False
    before = tokens[place - 1] if place > 0 and tokens[place - 1].segment == token.segment else None
    follows = (
        tokens[place + 1] if place + 1 < len(tokens) and tokens[place + 1].segment == token.segment else None
    )
    leads_on = follows is not None and follows.word in _POSSESSIVES | _OBJECTS
    base = not token.plural
    if before is None:
        return base and leads_on
    if base and before.word in _BEFORE_VERBS - {"and", "then"}:
        return not (
            before.word == "to" and place > 1 and tokens[place - 2].word in ("next", "close", "thanks")
        )
    if base and before.word in ("and", "then"):
        return leads_on
    if not base and before.word in _BEFORE_VERBS - {"to", "and", "that", "which"}:
        return True
    noun_before = (
        not before.function and "NOUN" in before.parts and not before.possessive and not before.taken
    )
    if follows is None or follows.taken or (before.word not in ("that", "which") and not noun_before):
        return False
    object_follows = leads_on or ("NOUN" in follows.parts and not follows.function and not follows.verb_form)
    if before.word in ("that", "which") and follows.function:
        # "a phone that partners with a watch"
        return not base
    # "a dog guards the house", "dogs guard the house"
    agrees = before.plural == base if noun_before else True
    return object_follows and agrees and (leads_on or not base)


def _is_compound(tokens: Sequence[Token], start: int, end: int, lexicon: Lexicon) -> bool:
    """Whether the person's word only describes the noun after it: "nurse shark", "police car", "Asian food"."""
    word, follows = tokens[end - 1], tokens[end]
    if word.word != word.lemma or word.word == "people" or follows.taken:
        return False
    if _person_at(tokens, end, lexicon) is not None and not word.joined:
        # "woman engineer": both are persons. "Asian nurse": the nurse is, and she is described.
        return " ".join(token.word for token in tokens[start:end]) in lexicon.origins
    body = lexicon.lists.people.of_the_body
    if follows.word in body or follows.lemma in body:
        return False
    if word.joined:
        return True
    if follows.function or follows.verb_form:
        return False
    if lexicon.describing.at(tokens, end) or lexicon.colours.at(tokens, end):
        return word.word in lexicon.origins
    parts = follows.parts
    if "ADJ" in word.parts or word.word in lexicon.origins:
        return bool(parts & {"NOUN", "ADJ"}) and "ADV" not in parts
    if not parts and follows.text.islower() and not follows.word.endswith(("ing", "ng", "ed", "s", "ly")):
        # A noun that the dictionary does not know: "a maid cafe".
        return True
    if "NOUN" not in parts or "ADV" in parts:
        return False
    # "a nurse smiles", but "cowboy boots"
    return not (follows.plural and "VERB" in parts) or follows.lemma in lexicon.lists.otherwise.belongings


def _describes_a_person(tokens: Sequence[Token], end: int, lexicon: Lexicon) -> bool:
    """Whether the next word is one for a person, and not a possessive that leads on to a thing."""
    return (
        end < len(tokens)
        and tokens[end].segment == tokens[end - 1].segment
        and not tokens[end - 1].possessive
        and _person_at(tokens, end, lexicon) is not None
    )


def _is_figurative(tokens: Sequence[Token], end: int, lexicon: Lexicon) -> bool:
    """Whether it is one of neither people nor a place: "the king of the jungle", not "the king of Spain"."""
    if tokens[end - 1].word not in lexicon.lists.otherwise.figurative:
        return False
    rest = tokens[end : end + 5]
    if len(rest) < 2 or rest[0].word not in _AMONG or rest[0].segment != tokens[end - 1].segment:
        return False
    for offset, token in enumerate(rest[1:], end + 1):
        if token.segment != rest[0].segment or (token.function and token.word not in DETERMINERS):
            break
        if token.word in _COUNTS or token.capital:
            return False
        if _person_at(tokens, offset, lexicon) is not None or lexicon.carriers.at(tokens, offset) is not None:
            return False
    return True
