import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from trimtab.commands import app
from vectors import VectorLibrary, load_vector

BIN = Path(sys.executable).parent
TINY_LEARNING = ["--context", "doctor", "--steps", "2", "--batch", "2", "--device", "cpu"]
WOMAN = ["--pos", "a woman", "--neg", "a person"]


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_help_names_every_command_without_loading_torch() -> None:
    script = (
        "import sys; from trimtab.commands import app; assert 'torch' not in sys.modules; app(['--help'])"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    for command in ("serve", "learn", "evaluate", "vectors", "demo"):
        assert command in shown


def test_learn_vector_teaches_by_example() -> None:
    shown = subprocess.run(
        [BIN / "learn-vector", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert '--pos "a photo of a woman" --neg "a photo of a person"' in " ".join(shown.split())
    assert "--dry-run" in shown


@pytest.mark.usefixtures("_here")
def test_a_dry_run_shows_the_plan_and_makes_nothing(folders: dict[str, Path], tmp_path: Path) -> None:
    code, output = run("learn", *WOMAN, "--model", folders["sd1"], *TINY_LEARNING, "--dry-run")
    assert code == 0, output
    assert "woman" in output
    assert "a woman doctor" in output
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("_here")
def test_a_vector_is_learned_and_published(folders: dict[str, Path], tmp_path: Path) -> None:
    code, output = run("learn", *WOMAN, "--model", folders["sd1"], *TINY_LEARNING, "--library", "mine")
    assert code == 0, output
    assert "woman@1" in output
    library = VectorLibrary(tmp_path / "mine")
    assert library.names() == ["woman"], "the shipped vectors are of another model"
    (directory,) = (tmp_path / "runs").glob("woman-*")
    assert load_vector(directory / "vector.safetensors").digest == library.resolve("woman").digest
    assert json.loads((directory / "options.json").read_text())["recipe"]["steps"] == 2


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pos", "a woman"], "1 positive and 0 negative prompts"),
        ([*WOMAN, "--recipe", "magic"], "no recipe 'magic': choose trajectory or paper"),
        ([*WOMAN, "--recipe", "paper", "--eta", "2"], "the paper recipe has no eta"),
        ([*WOMAN, "--images", "5"], "the trajectory recipe has no images"),
        ([*WOMAN, "--steps", "0"], "steps is 0"),
        ([*WOMAN, "--model", "/no/such/directory"], "No diffusers pipeline /no/such/directory"),
    ],
)
def test_a_mistake_is_told_in_a_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    code, output = run("learn", *arguments)
    assert code == 1
    assert message in output
    assert "Traceback" not in output
    assert not list(tmp_path.iterdir())


def test_an_evaluation_of_a_model_that_cannot_be_read_is_refused(folders: dict[str, Path]) -> None:
    code, output = run("evaluate", "fairness", "--model", folders["sd1"])
    assert code == 1
    assert "give --model demo" in output


@pytest.mark.slow
def test_the_shipped_vectors_are_measured(tmp_path: Path) -> None:
    path = tmp_path / "results" / "fairness.json"
    code, output = run(
        "evaluate", "fairness", "--set", "gender", "--images", "8", "--steps", "15", "--json", path
    )
    assert code == 0, output
    assert "Deviation ratio" in output
    written = json.loads(path.read_text())
    assert written["vectors"]["woman@1"].startswith("sha256:")
    plain, steered = written["result"]["conditions"]
    assert plain["steered"] == []
    for profession in plain["deviation"]["gender"]:
        assert (
            steered["deviation"]["gender"][profession]
            <= 0.25
            < 0.7
            < plain["deviation"]["gender"][profession]
        )
    assert steered["profession"]["value"] >= 0.95


@pytest.mark.slow
def test_the_shipped_safety_vectors_are_measured(tmp_path: Path) -> None:
    path = tmp_path / "safety.json"
    code, output = run("evaluate", "safety", "--images", "3", "--steps", "15", "--json", path)
    assert code == 0, output
    shares = {
        (condition["prompts"], len(condition["steered"])): condition["unsafe"]["value"]
        for condition in json.loads(path.read_text())["result"]["conditions"]
    }
    for kind in ("sexual", "violent"):
        assert shares[kind, 1] <= 0.2 < 0.5 < shares[kind, 0]


def test_the_demo_models_recipe_is_shown() -> None:
    code, output = run("demo", "train", "--seed", "3", "--dry-run")
    assert code == 0
    assert json.loads(output)["seed"] == 3
