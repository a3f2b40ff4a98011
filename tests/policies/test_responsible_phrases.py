import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.errors import LexiconError
from policies.phrase_score import read_labelled_phrases
from policies.prompt_reading.removal import without_spans
from policies.responsible_phrases import Ask, PhraseReading, load_phrases, read_phrases

PHRASES = load_phrases()
FOLDER = Path(__file__).parents[2] / "benchmarks/responsible_text"
DEVELOPMENT = read_labelled_phrases(FOLDER / "development.yaml")


PROMPT_WORDS = (
    "a , no not and ( ) \" ' diverse any gender race of group doctors without blood or fair is safe"
    " for titled"
)


def read(prompt: str) -> PhraseReading:
    return read_phrases(prompt, PHRASES)


@pytest.mark.parametrize(
    ("prompt", "sets", "concepts", "left"),
    [
        ("a fair-gender doctor", ("gender",), (), "a doctor"),
        ("a doctor of any race", ("race",), (), "a doctor"),
        ("a diverse group", ("gender", "race"), (), "a group"),
        ("people of any race and gender", ("gender", "race"), (), "people"),
        ("an actress without sexual content", (), ("anti-sexual",), "an actress"),
        ("a non-violent protest", (), ("anti-violence",), "a protest"),
        ("a party, sfw", (), ("anti-sexual", "anti-violence"), "a party"),
        (
            "a diverse team, no blood or nudity, oil",
            ("gender", "race"),
            ("anti-sexual", "anti-violence"),
            "a team, oil",
        ),
        ("", (), (), ""),
    ],
)
def test_what_a_prompt_asks_for_and_what_is_left(
    prompt: str, sets: tuple[str, ...], concepts: tuple[str, ...], left: str
) -> None:
    reading = read(prompt)
    assert (reading.sets, reading.concepts, reading.prompt) == (sets, concepts, left)


def test_a_phrase_says_where_it_stands_what_it_asks_for_and_why() -> None:
    prompt = "An inclusive photo of nurses, no blood"
    inclusive, no_blood = read(prompt).phrases
    assert prompt[inclusive.start : inclusive.end] == inclusive.text == "inclusive"
    assert inclusive.asks == (Ask("fairness", "gender"), Ask("fairness", "race"))
    assert inclusive.reason == "'inclusive' asks for fairness on gender and race"
    assert (no_blood.text, no_blood.asks) == ("no blood", (Ask("safety", "anti-violence"),))
    assert no_blood.reason == "'no blood' asks for anti-violence"


@pytest.mark.parametrize(
    "prompt",
    [
        "a doctor, not non-violent",
        "a hardly diverse group of bankers",
        "not a very diverse team",
        'a sign that says "no nudity"',
        "a book titled Of Any Race",
        "a lecture about non-violent protest",
        "a diverse landscape",
        "a diverse group of flowers",
        "puppies of either sex",
        "a no blood test sign",
        "a doctor",
    ],
)
def test_prompts_that_only_look_so_are_left_letter_for_letter(prompt: str) -> None:
    assert read(f" {prompt} ,") == PhraseReading((), f" {prompt} ,")


def test_a_person_who_reads_is_no_text() -> None:
    assert read("a teacher reading without any violence").concepts == ("anti-violence",)
    assert read("a poster reading without any violence").concepts == ()


@pytest.mark.parametrize(
    "change", [str.upper, str.title, lambda text: text.replace("-", " "), lambda text: f"  {text}\n"]
)
def test_case_hyphens_and_space_change_nothing(change) -> None:
    for prompt in (
        "a fair-gender doctor",
        "a non-violent protest",
        "a party, safe for work",
        "people of any race",
    ):
        changed, plain = read(change(prompt)), read(prompt)
        assert (changed.sets, changed.concepts) == (plain.sets, plain.concepts)


def test_what_is_left_asks_for_nothing_more() -> None:
    again = [prompt for prompt in DEVELOPMENT.prompts if read(read(prompt).prompt).phrases]
    assert again == []


@pytest.mark.parametrize(
    ("text", "removed", "left"),
    [
        ("a fair doctor", ["fair"], "a doctor"),
        ("a fair engineer", ["fair"], "an engineer"),
        ("An inclusive team", ["inclusive"], "A team"),
        ("an inclusive hour", ["inclusive"], "an hour"),
        ("a fair uniform", ["fair"], "a uniform"),
        ("nurse, fair, smiling", ["fair"], "nurse, smiling"),
        ("nurse (fair)", ["fair"], "nurse"),
        ("a fair and diverse team", ["fair", "diverse"], "a team"),
        ("a nurse, fair and diverse", ["fair", "diverse"], "a nurse"),
        ("a crowd that is fair", ["fair"], "a crowd"),
        ("fair nurse and diverse doctor", ["fair", "diverse"], "nurse and doctor"),
        ("fair", ["fair"], ""),
        ("a  nurse ,", [], "a  nurse ,"),
    ],
)
def test_removal_leaves_a_prompt_that_reads_well(text: str, removed: list[str], left: str) -> None:
    spans = [(text.index(word), text.index(word) + len(word)) for word in removed]
    assert without_spans(text, spans) == left


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.sampled_from(PROMPT_WORDS.split()),
        max_size=16,
    ).map(" ".join)
)
def test_phrases_are_in_order_apart_and_in_the_prompt(prompt: str) -> None:
    reading = read(prompt)
    end = 0
    for phrase in reading.phrases:
        assert end <= phrase.start < phrase.end <= len(prompt)
        assert phrase.asks
        assert prompt[phrase.start : phrase.end] == phrase.text
        end = phrase.end
    assert reading.phrases or reading.prompt == prompt


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=60))
def test_any_text_can_be_read(prompt: str) -> None:
    assert read(prompt) == read(prompt)


@pytest.mark.parametrize(
    "piece", ["no ", "of any gender and ", "no blood, ", "- ", "a ", "'", "diverse ", "titled ", "not a "]
)
def test_long_prompts_are_read_in_good_time(piece: str) -> None:
    started = time.process_time()
    read(piece * (600 // len(piece)))
    assert time.process_time() - started < 5


def test_added_phrases_name_their_own_sets_and_concepts(tmp_path: Path) -> None:
    file = tmp_path / "phrases.yaml"
    file.write_text(
        """
fairness: {sets: {age: {names: [age, ages]}}}
safety: {concepts: {anti-smoking: {things: [cigarettes], adjectives: [smoky], plainly: [smoke free]}}}
"""
    )
    phrases = load_phrases(file)
    assert read_phrases("a nurse of any age", phrases).sets == ("age",)
    assert read_phrases("a diverse crowd", phrases).sets == ("gender", "race", "age")
    for prompt in ("a bar without cigarettes", "a bar, not smoky", "a smoke-free bar"):
        assert read_phrases(prompt, phrases).concepts == ("anti-smoking",)
    assert read("a nurse of any age").sets == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fairnes: {}", "at fairnes"),
        ("safety: {free_of: [no]}", "at safety.free_of.0"),
        ("fairness: {before_people: [just fair]}", "'just fair' names no concept set"),
        ("[", "cannot be read"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "phrases.yaml"
    file.write_text(text)
    with pytest.raises(LexiconError) as caught:
        load_phrases(file)
    assert told in str(caught.value)
