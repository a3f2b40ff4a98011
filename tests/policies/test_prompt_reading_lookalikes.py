"""Prompts that are written around the gate are read like what they look like."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.gate import shipped_gate
from policies.prompt_reading.lookalikes import plain_letters

PROMPTS = (
    "a photo of a doctor",
    "a portrait of a female nurse in a hospital",
    "a teacher and an engineer",
    "a table with a vase",
    "a photo of Barack Obama",
    "an asian scientist",
    "a dog in a park",
)
CYRILLIC = str.maketrans("aceopxyi", "асеорхуі")
GREEK = str.maketrans("aopvi", "αορνι")
NOTHING = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u202e\u202c\x00\x1b"


def with_nothing(prompt: str) -> str:
    chance = random.Random(prompt)
    return "".join(letter + chance.choice(NOTHING) for letter in prompt)


def full_width(prompt: str) -> str:
    return "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in prompt)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_prompt_in_disguise_is_decided_like_itself(prompt):
    gate, sets = shipped_gate(), ["gender", "race"]
    expected = gate.decide(prompt, sets)
    for disguised in (
        prompt.translate(CYRILLIC),
        prompt.translate(GREEK),
        with_nothing(prompt),
        full_width(prompt),
        with_nothing(prompt.translate(CYRILLIC)),
    ):
        assert disguised != prompt
        assert gate.decide(disguised, sets) == expected


@pytest.mark.parametrize(
    "text", ["фотография врача", "Ärztin über München", "γιατρός", "医生的照片", "naïve café"]
)
def test_words_of_other_languages_stay(text):
    assert plain_letters(text) == text


@settings(deadline=None)
@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_stays(text):
    assert plain_letters(text) == text


@settings(deadline=None)
@given(st.text())
def test_what_was_made_plain_is_plain(text):
    once = plain_letters(text)
    assert plain_letters(once) == once
