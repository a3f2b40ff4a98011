"""What a prompt says about people, from its words alone.

Entry point: `read_prompt`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policies.prompt_reading.history import stated_group
from policies.prompt_reading.lexicon import Lexicon
from policies.prompt_reading.names import capitals_mean_names, mark_phrases, named_person
from policies.prompt_reading.people import Mention, find_mentions
from policies.prompt_reading.spelling import corrected
from policies.prompt_reading.stated import stated_attributes
from policies.prompt_reading.tokens import Token, tokenised

_SUBJECT_PRONOUNS = frozenset({"he", "she"})
_PICTURES = frozenset(
    {"photo", "photograph", "picture", "portrait", "image", "film", "drawing", "sketch", "photography"}
)


@dataclass(frozen=True)
class PromptReading:
    """The people of a prompt and what is stated of them."""

    people: tuple[Mention, ...]
    """Those in the picture."""
    otherwise: tuple[Mention, ...]
    """Words for people that show none here, each with its reason."""
    phrases: tuple[str, ...]
    """Fixed phrases and brands that were left out of the reading: "dr pepper"."""
    named: str | None
    """The first named person, real or invented, as written."""
    group: str | None
    """The words that make the people a group of a time and place."""
    stated: Mapping[str, str]
    """Attribute -> the words that state it."""

    @property
    def says_something(self) -> bool:
        """Whether any word of the prompt is known to be for people, or to be none."""
        return bool(self.people or self.otherwise or self.phrases or self.named)

    @property
    def several(self) -> bool:
        """Whether more than one person may be in the picture."""
        return len(self.people) > 1 or any(mention.plural for mention in self.people)


def read_prompt(prompt: str, lexicon: Lexicon) -> PromptReading:
    """Return what a prompt says about people; the same for the same text, at any place and time."""
    tokens = tokenised(prompt)
    corrected(tokens, lexicon, capitals_mean_names=capitals_mean_names(tokens))
    _take_black_and_white(tokens)
    phrases = mark_phrases(tokens, lexicon)
    named = named_person(tokens, lexicon)
    mentions = find_mentions(tokens, lexicon)
    if not mentions and named is None:
        mentions = _pronoun_alone(tokens, lexicon)
    people = tuple(mention for mention in mentions if mention.otherwise is None)
    return PromptReading(
        people=people,
        otherwise=tuple(mention for mention in mentions if mention.otherwise is not None),
        phrases=tuple(phrases),
        named=named,
        group=stated_group(tokens, mentions, lexicon) if people else None,
        stated=stated_attributes(tokens, mentions, lexicon),
    )


def _take_black_and_white(tokens: Sequence[Token]) -> None:
    """Leave "black and white" out where it is the picture that is so."""
    for place in range(len(tokens) - 2):
        trio = tokens[place : place + 3]
        if [token.word for token in trio] != ["black", "and", "white"]:
            continue
        follows = tokens[place + 3] if place + 3 < len(tokens) else None
        alone = follows is None or follows.segment != trio[0].segment
        if alone or (follows is not None and follows.lemma in _PICTURES):
            for token in trio:
                token.taken = True


def _pronoun_alone(tokens: Sequence[Token], lexicon: Lexicon) -> list[Mention]:
    """Return the person that a "she" or "he" stands for where no other word does, and no animal is there."""
    if any(token.lemma in lexicon.lists.otherwise.animals for token in tokens):
        return []
    for place, token in enumerate(tokens):
        if token.word in _SUBJECT_PRONOUNS:
            match = lexicon.pronouns.at(tokens, place)
            facts = () if match is None else tuple(match[1])
            return [Mention(token.word, place, place + 1, place, plural=False, states=facts)]
    return []
