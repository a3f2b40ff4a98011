from pathlib import Path

import pytest

from policies.errors import LabelledSetError
from policies.phrase_score import LabelledPhraseSet, PhraseMiss, read_labelled_phrases, score_phrases
from policies.responsible_phrases import load_phrases
from policies.score import Score

FILES = [
    read_labelled_phrases(path)
    for path in sorted((Path(__file__).parents[2] / "benchmarks/responsible_text").glob("*.yaml"))
]


def test_every_ask_of_a_prompt_is_counted() -> None:
    labelled = LabelledPhraseSet.model_validate(
        {
            "half": "development",
            "groups": [
                {
                    "category": "asked",
                    "asks": ["gender", "age"],
                    "prompts": ["a nurse of any gender, no blood"],
                },
                {"category": "none", "asks": [], "prompts": ["a beach"]},
            ],
        }
    )
    found = score_phrases(load_phrases(), [labelled])
    assert found.prompts == 2
    assert found.asks == {"age": Score(0, 0, 1), "anti-violence": Score(0, 1, 0), "gender": Score(1, 0, 0)}
    assert found.all == Score(1, 1, 1)
    assert found.misses == (
        PhraseMiss(
            "asked", "a nurse of any gender, no blood", ("gender", "age"), ("gender", "anti-violence")
        ),
    )


def test_the_labelled_prompts_are_many_and_each_is_in_one_half() -> None:
    halves: dict[str, list[str]] = {}
    for one in FILES:
        halves.setdefault(one.half, []).extend(one.prompts)
        assert one.hide_errors == (one.half == "held-out")
    assert set(halves) == {"development", "held-out"}
    prompts = [prompt.lower() for half in halves.values() for prompt in half]
    assert len(prompts) == len(set(prompts)) >= 200


@pytest.mark.parametrize("half", ["development", "held-out"])
def test_the_shipped_phrases_read_both_halves_well(half: str) -> None:
    found = score_phrases(load_phrases(), [one for one in FILES if one.half == half])
    for counted in (found.all, *found.asks.values()):
        assert counted.precision >= 0.97
        assert counted.recall >= 0.97


def test_a_file_of_another_form_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "labelled.yaml"
    file.write_text("half: x\ngroups: [{category: a}]")
    with pytest.raises(LabelledSetError, match=r"labelled\.yaml cannot be read"):
        read_labelled_phrases(file)
