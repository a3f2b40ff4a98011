from collections.abc import Sequence
from pathlib import Path

import pytest

from policies.errors import LabelledSetError
from policies.gate import Decision, shipped_gate
from policies.gate_score import LabelledSet, Miss, read_labelled, score
from policies.score import Score

FOLDER = Path(__file__).parents[2] / "benchmarks/gate"
FILES = {path.stem: read_labelled(path) for path in sorted(FOLDER.glob("*.yaml"))}


class SaysYesTo:
    """A gate that applies every set to prompts with a word in them."""

    def __init__(self, word: str) -> None:
        self.word = word

    def decide(self, prompt: str, concept_sets: Sequence[str]) -> list[Decision]:
        return [Decision(name, self.word in prompt, f"{self.word}?") for name in concept_sets]


def labelled(*groups: tuple[str, bool, bool, list[str]]) -> LabelledSet:
    return LabelledSet.model_validate(
        {
            "half": "development",
            "groups": [
                {"category": category, "gender": gender, "race": race, "prompts": prompts}
                for category, gender, race, prompts in groups
            ],
        }
    )


def test_decisions_are_counted_against_the_labels() -> None:
    one = labelled(("people", True, False, ["a doctor", "a nurse"]))
    other = labelled(("things", False, False, ["a doctor's bag"]))
    found = score(SaysYesTo("doctor"), [one, other])
    assert found.prompts == 3
    assert found.sets == {"gender": Score(1, 1, 1), "race": Score(0, 2, 0)}
    assert found.categories == {"people": (2, 2), "things": (1, 1)}
    assert Miss("people", "a nurse", "gender", True, "doctor?") in found.misses
    assert len(found.misses) == 4


@pytest.mark.parametrize(
    ("counted", "precision", "recall"),
    [
        (Score(8, 2, 0), 0.8, 1.0),
        (Score(8, 0, 2), 1.0, 0.8),
        (Score(0, 0, 0), 1.0, 1.0),
        (Score(0, 1, 1), 0.0, 0.0),
    ],
)
def test_precision_and_recall(counted: Score, precision: float, recall: float) -> None:
    assert (counted.precision, counted.recall) == (precision, recall)


def test_the_labelled_prompts_are_many_and_each_is_in_one_half() -> None:
    prompts = [prompt for one in FILES.values() for prompt in one.prompts]
    assert len(set(prompts)) >= 600
    halves: dict[str, set[str]] = {}
    for one in FILES.values():
        halves.setdefault(one.half, set()).update(prompt.lower() for prompt in one.prompts)
    assert set(halves) == {"development", "held-out"}
    assert halves["development"] & halves["held-out"] == set()
    assert min(len(half) for half in halves.values()) >= 300
    assert all(one.hide_errors == (one.half == "held-out") for one in FILES.values())


@pytest.mark.parametrize("half", ["development", "held-out"])
def test_the_shipped_gate_reads_both_halves_well(half: str) -> None:
    found = score(shipped_gate(), [one for one in FILES.values() if one.half == half])
    for counted in found.sets.values():
        assert counted.precision >= 0.97
        assert counted.recall >= 0.97


@pytest.mark.parametrize(
    "text", ["half: x", "half: x\ngroups: [{category: a, gender: 1}]", "[", "half: x\ngroups: []\nmore: 1"]
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "labelled.yaml"
    file.write_text(text)
    with pytest.raises(LabelledSetError, match=r"labelled\.yaml cannot be read"):
        read_labelled(file)
