import pytest

from vectors.errors import PhraseError
from vectors.phrases import Phrase, state_all

PERSON = "a photo of a person"


@pytest.mark.parametrize(
    ("positive", "phrase", "said"),
    [
        ("a photo of a woman", Phrase("woman", "", is_noun=True), "a photo of a woman engineer"),
        ("a photo of an old person", Phrase("old"), "a photo of an old engineer"),
        (
            "a photo of a person with glasses",
            Phrase("", "with glasses"),
            "a photo of an engineer with glasses",
        ),
        (
            "a photo of a very old person at sea",
            Phrase("very old", "at sea"),
            "a photo of a very old engineer at sea",
        ),
    ],
)
def test_a_phrase_is_what_a_prompt_says_more(positive: str, phrase: Phrase, said: str) -> None:
    assert Phrase.between(PERSON, positive) == phrase
    assert phrase.stated("a photo of an engineer", "engineer") == said
    assert phrase.stated(PERSON, "person") == positive


def test_a_phrase_stands_at_its_noun_wherever_that_is() -> None:
    glasses = Phrase.between(PERSON, "a photo of a person with glasses")
    assert glasses.stated("a photo of a cat in a park", "cat") == "a photo of a cat with glasses in a park"


def test_several_phrases_keep_to_the_order_of_the_language() -> None:
    phrases = [Phrase("woman", is_noun=True), Phrase("black"), Phrase("", "with glasses")]
    assert state_all(phrases, "a photo of a judge", "judge") == "a photo of a black woman judge with glasses"
    assert state_all(phrases, PERSON, "person") == "a photo of a black woman with glasses"


@pytest.mark.parametrize(
    ("negative", "positive", "message"),
    [
        ("a car", "a red car", "'a car' has no word 'person'"),
        (PERSON, PERSON, "says no more than"),
    ],
)
def test_prompts_without_a_phrase_between_them_are_refused(
    negative: str, positive: str, message: str
) -> None:
    with pytest.raises(PhraseError, match=message):
        Phrase.between(negative, positive)


def test_a_prompt_without_the_noun_has_no_place() -> None:
    with pytest.raises(PhraseError, match="has no 'cat'"):
        Phrase("old").stated("a photo of a dog", "cat")
