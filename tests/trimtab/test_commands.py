import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from trimtab.commands import app

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


def test_the_demo_models_recipe_is_shown() -> None:
    code, output = run("demo", "train", "--seed", "3", "--dry-run")
    assert code == 0
    assert json.loads(output)["seed"] == 3
