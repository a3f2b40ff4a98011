from pathlib import Path

import pytest

from policies.errors import LexiconError
from policies.prompt_reading.lexicon import load_lexicon
from policies.prompt_reading.reading import read_prompt


def added(folder: Path, text: str) -> Path:
    file = folder / "words.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_added_words_are_read_like_the_shipped_ones(tmp_path: Path) -> None:
    file = added(
        tmp_path,
        """
people: {people: {at sea: [lighthouse tender]}}
attributes: {race: {other: {describing: [martian]}}}
names: {famous: [zaphod beeblebrox]}
otherwise: {phrases: [doctor snuggles]}
""",
    )
    lexicon = load_lexicon(file)
    reading = read_prompt("two martian lighthouse tenders", lexicon)
    assert [mention.text for mention in reading.people] == ["lighthouse tenders"]
    assert reading.stated == {"race": "martian"}
    assert read_prompt("zaphod beeblebrox at breakfast", lexicon).named == "zaphod beeblebrox"
    assert read_prompt("a box of Doctor Snuggles", lexicon).phrases == ("doctor snuggles",)
    assert read_prompt("a doctor", lexicon).people, "the shipped words stay"


def test_a_new_attribute_is_stated_by_its_words(tmp_path: Path) -> None:
    file = added(tmp_path, "attributes: {faith: {any: {describing: [devout], people: [zealot]}}}")
    lexicon = load_lexicon(file)
    assert lexicon.attributes == {"gender", "race", "age", "faith"}
    assert read_prompt("a devout nurse", lexicon).stated == {"faith": "devout"}
    assert read_prompt("a zealot", lexicon).stated == {"faith": "zealot"}


def test_removed_words_are_read_no_more(tmp_path: Path) -> None:
    assert read_prompt("a model", load_lexicon()).people
    assert read_prompt("a model", load_lexicon(added(tmp_path, "remove: [model]"))).people == ()


def test_every_shipped_word_is_in_the_form_that_is_looked_up() -> None:
    lists = load_lexicon().lists
    words = [word for group in lists.people.people.values() for word in group]
    words += [
        word for values in lists.attributes.stated.values() for one in values.values() for word in one.people
    ]
    assert [word for word in words if word != word.lower().strip() or not word] == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("peple: {}", "at peple"),
        ("people: {endings: ology}", "at people.endings"),
        ("attributes: {gender: {woman: {adjectives: [x]}}}", "gender.woman.adjectives"),
        ("otherwise: {negators: [no]}", "quote words that YAML reads as yes or no"),
        ("people: [", "cannot be read"),
        ("- doctor", "at its top"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(LexiconError, match="lexicon") as caught:
        load_lexicon(added(tmp_path, text))
    assert told in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LexiconError, match="cannot be read"):
        load_lexicon(tmp_path / "none.yaml")
