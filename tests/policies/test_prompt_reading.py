from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.gate_score import read_labelled
from policies.prompt_reading.lexicon import load_lexicon
from policies.prompt_reading.reading import PromptReading, read_prompt

DEVELOPMENT = read_labelled(Path(__file__).parents[2] / "benchmarks/gate/development.yaml")
LEXICON = load_lexicon()


def read(prompt: str) -> PromptReading:
    return read_prompt(prompt, LEXICON)


def people(prompt: str) -> list[str]:
    return [mention.text for mention in read(prompt).people]


def why_nobody(prompt: str) -> list[str | None]:
    reading = read(prompt)
    assert reading.people == ()
    return [mention.otherwise for mention in reading.otherwise]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a photo of a doctor", ["doctor"]),
        ("two FLIGHT attendants, smiling", ["flight attendants"]),
        ("nurses and a fire-fighter's colleague", ["nurses", "colleague"]),
        ("1girl, solo", ["1girl"]),
        ("she walks home", ["she"]),
        ("a mountaineerologist", ["mountaineerologist"]),
        ("a cat and her kittens", []),
        ("a bowl of fruit", []),
        ("", []),
    ],
)
def test_people_are_found(prompt: str, expected: list[str]) -> None:
    assert people(prompt) == expected


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("a nurse's uniform on a hanger", "'nurse' owns what is shown"),
        ("a dog guards the house", "'guards' is a verb"),
        ("a phone that partners with a watch", "'partners' is a verb"),
        ("an army of ants", "'army' is not of people"),
        ("a king among cheeses", "'king' is a way of speaking"),
        ("a chef hat", "'chef' describes 'hat'"),
        ("a lego firefighter", "'lego' makes a likeness of 'firefighter'"),
        ("a street with no people", "'no' keeps 'people' out"),
        ("a street without any people", "'without' keeps 'people' out"),
        ("a park devoid of visitors", "'devoid of' keeps 'visitors' out"),
        ("a statue of a soldier", "a statue of 'soldier'"),
        ("the house of a teacher", "'teacher' owns the house"),
        ("a book about a detective", "'about' is only about 'detective'"),
        ("a cat dressed as a doctor", "'as' compares to 'doctor'"),
        ("shoes for men", "something is for 'men'"),
        ("a song written by a student", "'student' made it"),
        ("a dog that is the boss", "'boss' is said of the dog"),
    ],
)
def test_a_word_for_a_person_that_shows_none_has_its_reason(prompt: str, reason: str) -> None:
    assert why_nobody(prompt) == [reason]


@pytest.mark.parametrize(
    ("prompt", "stated"),
    [
        ("a doctor", {}),
        ("a female doctor", {"gender": "female"}),
        ("doctor, female", {"gender": "female"}),
        ("a doctor who is a woman", {"gender": "woman"}),
        ("the doctor is male", {"gender": "male"}),
        ("a doctor with her bag", {"gender": "her"}),
        ("he is a nurse", {"gender": "he"}),
        ("an actress", {"gender": "actress"}),
        ("a black doctor", {"race": "black"}),
        ("a black-haired doctor", {}),
        ("a doctor, black hair", {}),
        ("a doctor in a black coat", {}),
        ("a doctor eating Japanese food", {}),
        ("a doctor from Kenya", {"race": "from kenya"}),
        ("a doctor of African descent", {"race": "african"}),
        ("an old Asian woman", {"gender": "woman", "race": "asian", "age": "old"}),
        ("a diverse group of doctors", {"gender": "diverse", "race": "diverse"}),
        ("a model, masculine face", {"gender": "masculine"}),
        ("a female cat", {}),
    ],
)
def test_stated_attributes_and_the_words_that_state_them(prompt: str, stated: dict[str, str]) -> None:
    assert read(prompt).stated == stated


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("a portrait of George Washington", "George Washington"),
        ("albert einstein riding a bicycle", "albert einstein"),
        ("King Henry VIII eating", "King Henry VIII"),
        ("a woman named Sofia Brandt", "Sofia Brandt"),
        ("a doctor in front of the Lincoln Memorial", None),
        ("a doctor, painted by Rembrandt", None),
        ("a violinist playing Mozart", None),
        ("Einstein's desk", None),
        ("A Photo Of A Doctor In Paris", None),
    ],
)
def test_named_persons(prompt: str, name: str | None) -> None:
    assert read(prompt).named == name


@pytest.mark.parametrize(
    ("prompt", "group"),
    [
        ("Viking warriors in 9th-century Norway", "Viking"),
        ("a medieval knight", "medieval"),
        ("soldiers in 1815", "1815"),
        ("a nurse of the 1920s", "1920s"),
        ("a nurse of the 1990s", None),
        ("peasants in ancient Rome", "ancient Rome"),
        ("a tourist in a medieval town", None),
        ("a nurse during the American civil war", "the American civil war"),
        ("a medieval castle", None),
    ],
)
def test_groups_of_a_time_and_place(prompt: str, group: str | None) -> None:
    assert read(prompt).group == group


@pytest.mark.parametrize(
    ("prompt", "several"),
    [("a doctor", False), ("doctors", True), ("a doctor and a nurse", True), ("a crowd", True)],
)
def test_several_people(prompt: str, several: bool) -> None:
    assert read(prompt).several == several


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("a photo of a docter", "doctor"),
        ("a techer", "teacher"),
        ("a nusre", "nurse"),
        ("two studnets", "student"),
    ],
)
def test_slips_of_the_keyboard_are_read(typed: str, meant: str) -> None:
    assert people(typed) == [meant]


def test_a_name_is_no_slip() -> None:
    assert people("a bridge in Techer") == []


def verdict(prompt: str) -> tuple[object, ...]:
    """What decisions rest on."""
    reading = read(prompt)
    return (
        bool(reading.people),
        reading.named is not None,
        reading.group is not None,
        frozenset(reading.stated),
    )


@pytest.mark.parametrize(
    "style", [", 4k, highly detailed", ", oil on canvas", "  \n", ", no text, no watermark"]
)
def test_words_of_style_change_no_verdict(style: str) -> None:
    changed = [prompt for prompt in DEVELOPMENT.prompts if verdict(prompt + style) != verdict(prompt)]
    assert changed == []


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=80))
def test_any_text_can_be_read_twice_alike(prompt: str) -> None:
    assert read(prompt) == read(prompt)


PROMPT_WORDS = (
    "a the no of doctor queen's black and women from Kenya is , ( 1girl - Mr Lincoln like dog that in 1815"
)
WORDS = st.sampled_from(PROMPT_WORDS.split())


@settings(deadline=None, max_examples=150)
@given(st.lists(WORDS, max_size=14).map(" ".join))
def test_a_mention_lies_in_the_prompt_and_mentions_do_not_overlap(prompt: str) -> None:
    reading = read(prompt)
    mentions = sorted([*reading.people, *reading.otherwise], key=lambda mention: mention.start)
    for mention in mentions:
        assert mention.first <= mention.start < mention.end
    for one, next_one in pairwise(mentions):
        assert one.end <= next_one.start
    assert (reading.stated == {}) or reading.people
