import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from diffusion import DiffusionModel, Sampling
from learn_vectors import DivergedError, LearnOptions, TrajectoryRecipe, run_learning
from learn_vectors.errors import RunDirectoryError
from vectors import VectorLibrary, load_vector

Make = Callable[..., LearnOptions]
SAMPLING = Sampling(num_inference_steps=2)


def test_a_run_leaves_everything_a_person_looks_for(
    sd1: DiffusionModel, options: Make, tmp_path: Path
) -> None:
    library = VectorLibrary(tmp_path / "library")
    result = run_learning(sd1, options(), directory=tmp_path / "run", library=library, sampling=SAMPLING)
    run = tmp_path / "run"
    assert {path.name for path in run.iterdir()} == {
        "options.json",
        "statistics.jsonl",
        "loss.png",
        "before_after.png",
        "vector.safetensors",
    }
    described = json.loads((run / "options.json").read_text())
    assert described["recipe"]["steps"] == 4
    assert described["model"]["fingerprint"] == sd1.fingerprint
    lines = [json.loads(line) for line in (run / "statistics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert all(line["loss"] > 0 for line in lines)
    assert (
        load_vector(run / "vector.safetensors").digest
        == library.resolve("woman@1").digest
        == result.stored.digest
    )
    with Image.open(run / "before_after.png") as grid, Image.open(run / "loss.png") as plot:
        assert grid.width > 600
        assert plot.width > 600
        assert len(set(grid.resize((40, 40)).get_flattened_data())) > 50, "there is something to see"


def test_a_directory_with_something_in_it_is_left_alone(
    sd1: DiffusionModel, options: Make, tmp_path: Path
) -> None:
    (tmp_path / "statistics.jsonl").write_text("precious")
    with pytest.raises(RunDirectoryError, match="already holds something"):
        run_learning(sd1, options(), directory=tmp_path, library=VectorLibrary(tmp_path / "library"))
    assert (tmp_path / "statistics.jsonl").read_text() == "precious"


@pytest.mark.parametrize("end", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_run_keeps_its_statistics_and_publishes_nothing(
    sd1: DiffusionModel, options: Make, tmp_path: Path, end: type[BaseException]
) -> None:
    def interrupt(phase: str, done: int, total: int, loss: float | None) -> None:
        if done == 3:
            raise end

    library = VectorLibrary(tmp_path / "library")
    with pytest.raises(end):
        run_learning(sd1, options(), directory=tmp_path / "run", library=library, progress=interrupt)
    assert len((tmp_path / "run/statistics.jsonl").read_text().splitlines()) == 3
    assert not list(tmp_path.rglob("*.safetensors"))
    assert not library.names()


def test_a_diverged_run_publishes_nothing(sd1: DiffusionModel, options: Make, tmp_path: Path) -> None:
    recipe = TrajectoryRecipe(steps=20, batch=2, inference_steps=4, learning_rate=1e30)
    library = VectorLibrary(tmp_path / "library")
    with pytest.raises(DivergedError):
        run_learning(sd1, options(recipe=recipe), directory=tmp_path / "run", library=library)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_vector_survives_a_library_that_cannot_be_written(
    sd1: DiffusionModel, options: Make, tmp_path: Path
) -> None:
    (tmp_path / "library").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="library"):
        run_learning(sd1, options(), directory=tmp_path / "run", library=VectorLibrary(tmp_path / "library"))
    assert load_vector(tmp_path / "run/vector.safetensors").concept == "woman"
