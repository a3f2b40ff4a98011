import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from learn_vectors.concepts_file import EXAMPLE
from trimtab.commands import app
from vectors import VectorLibrary, load_vector

TINY = ["--context", "doctor", "--steps", "2", "--batch", "2", "--device", "cpu"]
WOMAN = ["--pos", "a woman", "--neg", "a person"]


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["learn", *(str(argument) for argument in arguments)])
    return result.exit_code, result.output


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_dry_run_shows_the_plan_and_makes_nothing(folders: dict[str, Path], tmp_path: Path) -> None:
    code, output = run(*WOMAN, "--model", folders["sd1"], *TINY, "--dry-run")
    assert code == 0, output
    assert "a woman doctor" in output
    assert "2 in all" in output
    assert not list(tmp_path.iterdir())


def test_a_dry_run_says_how_many_steps_are_taken_by_default(folders: dict[str, Path]) -> None:
    code, output = run(
        *WOMAN, "--model", folders["sd1"], "--context", "doctor", "--device", "cpu", "--dry-run"
    )
    assert code == 0, output
    assert "40 in all" in output


def test_a_vector_is_learned_and_published(folders: dict[str, Path], tmp_path: Path) -> None:
    code, output = run(*WOMAN, "--model", folders["sd1"], *TINY, "--library", "mine")
    assert code == 0, output
    assert "woman@1" in output
    library = VectorLibrary(tmp_path / "mine")
    assert library.names() == ["woman"], "the shipped vectors are of another model"
    (directory,) = (tmp_path / "runs").glob("woman-*")
    assert load_vector(directory / "woman.safetensors").digest == library.resolve("woman").digest
    assert json.loads((directory / "options.json").read_text())["recipe"]["steps"] == 2


def test_a_file_of_concepts_is_learned_in_one_run(folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "concepts.yaml").write_text(EXAMPLE.replace("violent", "ugly") + "settings: ['']\n")
    code, output = run("--concepts", "concepts.yaml", "--model", folders["sd1"], *TINY)
    assert code == 0, output
    library = VectorLibrary(tmp_path / "library")
    assert library.names() == ["anti-violence", "man", "woman"]
    assert library.sets()["gender"].members == ("woman", "man")
    assert "learned_with" not in library.resolve("woman").vector.training


def test_a_folder_of_pictures_is_learned_from(folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (70, 50), (200, 60, 40)).save(tmp_path / "photos/one.png")
    arguments = ["--images", "photos", "--neg", "a person", "--name", "uniform", "--model", folders["sd1"]]
    code, output = run(*arguments, "--steps", "2", "--batch", "2")
    assert code == 0, output
    vector = VectorLibrary(tmp_path / "library").resolve("uniform").vector
    assert vector.training["recipe"]["folder"] == "photos"


def test_variants_of_a_vector_are_flags(folders: dict[str, Path], tmp_path: Path) -> None:
    code, output = run(
        *WOMAN, "--model", folders["sd1"], *TINY, "--both-halves", "--channel-only", "--gradient-checkpointing",
        "--site", "up_blocks.0",
    )  # fmt: skip
    assert code == 0, output
    vector = VectorLibrary(tmp_path / "library").resolve("woman").vector
    assert (vector.halves, vector.site, vector.training["channel_only"]) == ("both", "up_blocks.0", True)


def test_an_interrupted_run_goes_on_by_its_directory_alone(folders: dict[str, Path], tmp_path: Path) -> None:
    code, _ = run(*WOMAN, "--model", folders["sd1"], *TINY, "--out", "first", "--library", "one")
    assert code == 0
    # What is left of a run that was killed before its first checkpoint.
    (tmp_path / "second").mkdir()
    (tmp_path / "second/options.json").write_text((tmp_path / "first/options.json").read_text())
    (tmp_path / "second/unfinished").touch()
    code, output = run("--resume", "second", "--library", "two")
    assert code == 0, output
    one, two = (VectorLibrary(tmp_path / name).resolve("woman") for name in ("one", "two"))
    assert one.digest == two.digest


def test_clip_measures_a_real_models_vector(folders: dict[str, Path], tmp_path: Path) -> None:
    from tiny_clip import save_tiny_clip

    save_tiny_clip(tmp_path / "clip")
    code, output = run(*WOMAN, "--model", folders["sd1"], *TINY, "--detector", "clip", "--clip", "clip")
    assert code == 0, output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say what to learn"),
        (["--pos", "a woman"], "1 positive and 0 negative prompts"),
        ([*WOMAN, "--recipe", "paper", "--push", "2"], "the paper recipe has no push"),
        ([*WOMAN, "--num-images", "5"], "the trajectory recipe has no images"),
        ([*WOMAN, "--steps", "0"], "steps is 0"),
        ([*WOMAN, "--model", "/no/such/directory"], "No diffusers pipeline /no/such/directory"),
        (["--images", "."], "pictures say nothing in words"),
        (
            ["--images", ".", "--neg", "a person", "--name", "uniform", "--recipe", "trajectory"],
            "the trajectory recipe learns from no pictures",
        ),
        (["--resume", "."], "is not the options of a run"),
    ],
)
def test_a_mistake_is_told_in_a_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    code, output = run(*arguments)
    assert code == 1
    assert message in output
    assert "Traceback" not in output
    assert not list(tmp_path.iterdir())
