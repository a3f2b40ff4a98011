from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from policies.gate import Decision, LexiconGate, shipped_gate
from policies.prompt_reading.lexicon import load_lexicon

GATE = shipped_gate()


def decided(prompt: str, *concept_sets: str) -> list[Decision]:
    return GATE.decide(prompt, concept_sets or ("gender", "race"))


@pytest.mark.parametrize(
    ("prompt", "gender", "race"),
    [
        ("A photo of a doctor", True, True),
        ("A photo of a female doctor", False, True),
        ("the queen in her garden", False, True),
        ("a boy", False, True),
        ("an Asian doctor", True, False),
        ("a black woman", False, False),
        ("A beach at sunset", False, False),
        ("a cat", False, False),
        ("Viking warriors in 9th-century Norway", False, False),
        ("a portrait of George Washington", False, False),
        ("", False, False),
    ],
)
def test_fairness_applies_where_people_leave_it_open(prompt: str, gender: bool, race: bool) -> None:
    assert [decision.applies for decision in decided(prompt)] == [gender, race]


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("a doctor", "'doctor': gender open"),
        ("a female doctor", "gender stated by 'female'"),
        ("George Washington, a general", "a person is named: 'George Washington'"),
        ("a medieval knight", "a group of a time and place is stated: 'medieval'"),
        ("a chef hat", "no people: 'chef' describes 'hat'"),
        ("a can of Dr Pepper", "no people: 'dr pepper' is a fixed phrase"),
        ("a cat", "no people: no word of the prompt is for a person"),
        (
            "two doctors",
            "'doctors': gender open; one draw for all of them, as a vector acts on the whole picture",
        ),
    ],
)
def test_every_decision_has_its_reason(prompt: str, reason: str) -> None:
    assert decided(prompt, "gender")[0].reason == reason


@pytest.mark.parametrize(
    ("prompt", "kind"),
    [
        ("a photo of a doctor", "open"),
        ("a photo of a beach", "no_people"),
        ("a photo of a female doctor", "stated"),
        ("George Washington", "named_person"),
        ("a medieval knight", "stated_group"),
    ],
)
def test_every_decision_has_the_kind_of_its_reason(prompt: str, kind: str) -> None:
    assert decided(prompt, "gender")[0].kind == kind


def test_a_set_without_words_applies_wherever_there_are_people() -> None:
    (glasses,) = decided("a female doctor", "glasses")
    assert glasses == Decision(
        "glasses", True, "'doctor': glasses open, as the lexicon has no words for it", "open"
    )
    assert not decided("a beach", "glasses")[0].applies


def test_decisions_come_in_the_order_asked() -> None:
    forward, backward = (
        decided("a female doctor", "gender", "race"),
        decided("a female doctor", "race", "gender"),
    )
    assert [decision.concept_set for decision in forward] == ["gender", "race"]
    assert backward == forward[::-1]
    assert GATE.decide("a doctor", []) == []


def test_added_words_reach_the_decision(tmp_path: Path) -> None:
    file = tmp_path / "words.yaml"
    file.write_text("people: {people: {tests: [gizmologian]}}")
    assert isinstance(shipped_gate(file), LexiconGate)
    assert shipped_gate(file).decide("a gizmologian", ["gender"])[0].applies
    assert not LexiconGate(load_lexicon()).decide("a gizmologian", ["gender"])[0].applies


class SaysYes:
    """A second gate that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def decide(self, prompt: str, concept_sets: Sequence[str]) -> list[Decision]:
        self.asked.append(prompt)
        return [Decision(name, True, "second: yes") for name in concept_sets]


@pytest.mark.parametrize(
    "prompt",
    ["a doctor", "a female doctor", "a chef hat", "George Washington", "Dr Pepper", "a medieval knight"],
)
def test_where_the_lexicon_knows_a_word_no_second_opinion_is_asked_for(prompt: str) -> None:
    second = SaysYes()
    asked = LexiconGate(load_lexicon(), second).decide(prompt, ["gender"])
    assert asked == [replace(one, reason=f"lexicon: {one.reason}") for one in decided(prompt, "gender")]
    assert second.asked == []


def test_where_it_knows_none_the_second_gate_decides() -> None:
    second = SaysYes()
    decisions = LexiconGate(load_lexicon(), second).decide("a zorblax", ["gender", "race"])
    reason = "lexicon: no people: no word of the prompt is for a person; second: yes"
    assert decisions == [Decision("gender", True, reason), Decision("race", True, reason)]
    assert second.asked == ["a zorblax"]
