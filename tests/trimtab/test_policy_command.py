import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from trimtab.commands import app

LABELLED = """
half: {half}
hide_errors: {hide}
groups:
  - {{category: people, gender: true, race: true, prompts: [a photo of a doctor, a gizmologian]}}
  - {{category: things, gender: false, race: false, prompts: [a beach]}}
"""


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["policy", *map(str, arguments)])
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture
def halves(tmp_path: Path) -> Path:
    folder = tmp_path / "labelled"
    folder.mkdir()
    (folder / "one.yaml").write_text(LABELLED.format(half="development", hide="false"))
    (folder / "two.yaml").write_text(LABELLED.format(half="held-out", hide="true"))
    return folder


def test_gate_explains_prompts() -> None:
    code, told = run("gate", "a female doctor", "a beach", "--set", "gender", "--set", "glasses")
    assert code == 0
    assert told == (
        "a female doctor gender no gender stated by 'female' glasses applies 'doctor': glasses open, as the lexicon "
        "has no words for it a beach gender no no people: no word of the prompt is for a person glasses no no people: "
        "no word of the prompt is for a person"
    )


def test_gate_evaluates_and_hides_the_errors_of_a_held_out_half(halves: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures" / "gate.json"
    code, told = run("gate", "--evaluate", halves, "--json", out)
    assert code == 0
    assert "development: 3 prompts" in told
    assert told.count("'a gizmologian': gender should apply") == 1
    figures = json.loads(out.read_text())
    assert set(figures) == {"date", "second opinion", "halves"}
    rates = {"precision": 1.0, "recall": 0.5, "wrongly yes": 0, "wrongly no": 1}
    half = {"prompts": 3, "gender": rates, "race": rates}
    assert figures["halves"] == {
        "development": half | {"files": {"one.yaml": half}},
        "held-out": half | {"files": {"two.yaml": half}},
    }
    assert run("gate", "--evaluate", halves, "--errors")[1].count("'a gizmologian': gender should apply") == 2


def test_gate_reads_added_words(halves: Path, tmp_path: Path) -> None:
    words = tmp_path / "words.yaml"
    words.write_text("people: {people: {tests: [gizmologian]}}")
    assert "should apply" not in run("gate", "--evaluate", halves, "--lexicon", words, "--errors")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give prompts to explain, or --evaluate"),
        (["a doctor", "--json", "x.json"], "--json writes the figures of --evaluate"),
        (["a doctor", "--lexicon", "none.yaml"], "The lexicon none.yaml cannot be read"),
    ],
)
def test_gate_refuses_what_it_cannot_do(arguments: list[str], message: str) -> None:
    code, told = run("gate", *arguments)
    assert code != 0
    assert message in " ".join(told.replace("│", " ").split())


def test_policy_commands_load_no_torch() -> None:
    script = (
        "import sys; from typer.testing import CliRunner; from trimtab.commands import app\n"
        "assert CliRunner().invoke(app, ['policy', 'gate', 'a doctor']).exit_code == 0\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_gate_asks_a_models_text_encoder_where_no_word_is_known(folders: Mapping[str, Path]) -> None:
    told = run("gate", "a zorblax", "a doctor", "--set", "gender", "--model", folders["sd1"])[1]
    assert "lexicon: no people: no word of the prompt is for a person; text encoder: nearest to" in told
    assert "lexicon: 'doctor': gender open" in told
    code, told = run("gate", "a zorblax", "--model", folders["sd1"] / "nowhere")
    assert code != 0
    assert "nowhere" in told


def test_phrases_are_explained() -> None:
    code, told = run("phrases", "a diverse team, no blood", "a beach")
    assert code == 0
    assert told == (
        "a diverse team, no blood 'diverse' asks for fairness on gender and race 'no blood' asks for anti-violence "
        "without them: 'a team' a beach no responsible phrase"
    )


def test_phrases_are_evaluated(tmp_path: Path) -> None:
    labelled, out, added = tmp_path / "labelled.yaml", tmp_path / "phrases.json", tmp_path / "added.yaml"
    labelled.write_text(
        "half: held-out\nhide_errors: true\n"
        "groups: [{category: asked, asks: [gender], prompts: [a nurse of any gender, a nurse of any ilk]}]"
    )
    code, told = run("phrases", "--evaluate", labelled, "--json", out)
    assert code == 0
    assert "held-out: 2 prompts" in told
    assert "ilk" not in told
    rates = {"precision": 1.0, "recall": 0.5, "wrongly yes": 0, "wrongly no": 1}
    half = {"prompts": 2, "all": rates, "gender": rates}
    assert json.loads(out.read_text())["halves"] == {"held-out": half | {"files": {"labelled.yaml": half}}}
    told = run("phrases", "--evaluate", labelled, "--errors")[1]
    assert "asked: 'a nurse of any ilk' asks for gender, was read as nothing" in told
    added.write_text("fairness: {sets: {gender: {names: [ilk]}}}")
    assert "was read as" not in run("phrases", "--evaluate", labelled, "--errors", "--phrases", added)[1]
