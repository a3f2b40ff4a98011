import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from sample_concepts import ANTI_UGLY, WOMAN
from told_detector import ToldDetector

from diffusion import DiffusionModel, Sampling
from learn_vectors import Concept, DivergedError, LearnOptions, TrajectoryRecipe, run_learning
from learn_vectors.checkpoint import EVERY_STEPS
from learn_vectors.errors import RunDirectoryError
from vectors import VectorLibrary, load_vector

Make = Callable[..., LearnOptions]
SAMPLING = Sampling(num_inference_steps=2)
MAN = Concept(("a photo of a man",), ("a photo of a person",))


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
        "woman.png",
        "woman.safetensors",
    }
    described = json.loads((run / "options.json").read_text())
    assert described["recipe"]["steps"] == 4
    assert described["model"]["fingerprint"] == sd1.fingerprint
    lines = [json.loads(line) for line in (run / "statistics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert all(line["loss"] > 0 for line in lines)
    assert (
        load_vector(run / "woman.safetensors").digest
        == library.resolve("woman@1").digest
        == result.stored[0].digest
    )
    with Image.open(run / "woman.png") as grid, Image.open(run / "loss.png") as plot:
        assert grid.width > 600
        assert plot.width > 600
        assert len(set(grid.resize((40, 40)).get_flattened_data())) > 50, "there is something to see"


def test_concepts_learned_together_are_published_with_their_set(
    sd1: DiffusionModel, options: Make, tmp_path: Path
) -> None:
    library = VectorLibrary(tmp_path / "library")
    together = options(concepts=(WOMAN, MAN), sets={"sex": ("woman", "man")})
    run_learning(sd1, together, directory=tmp_path / "run", library=library, sampling=SAMPLING)
    assert library.names() == ["man", "woman"]
    assert library.sets()["sex"].members == ("woman", "man")
    assert (tmp_path / "run/man.png").exists()


def test_a_detector_measures_the_vector_and_recommends_a_strength(
    measurable_sd1: DiffusionModel, options: Make, tmp_path: Path
) -> None:
    library = VectorLibrary(tmp_path / "library")
    woman, man = {"gender": "woman"}, {"gender": "man"}
    # 8 of the positive prompt, 8 of the negative, 36 unsteered, then 36 at each of six strengths.
    told = [woman] * 8 + [man] * 44 + [man, woman] * 54 + [woman] * 108
    seen: list[tuple[str, int, int]] = []
    run_learning(
        measurable_sd1,
        options(),
        directory=tmp_path / "run",
        library=library,
        detector_for=lambda concept: ToldDetector(told),
        sampling=SAMPLING,
        progress=lambda phase, done, total, loss: seen.append((phase, done, total)),
    )
    vector = library.resolve("woman").vector
    assert vector.recommended_strength == 1.5, "the smallest that does all is 1.25, and 1.5 is as good"
    assert (vector.effect["success_unsteered"], vector.effect["success"]) == (0, 1)
    assert (tmp_path / "run/woman-effect.png").exists()
    assert seen[-1] == ("measuring woman", 268, 268)


def test_a_detector_that_does_not_see_the_concept_measures_nothing(
    sd1: DiffusionModel, options: Make, tmp_path: Path
) -> None:
    library = VectorLibrary(tmp_path / "library")
    run_learning(
        sd1,
        options(concepts=(ANTI_UGLY,)),
        directory=tmp_path / "run",
        library=library,
        detector_for=lambda concept: ToldDetector([{"gender": "man"}]),
        sampling=SAMPLING,
    )
    assert library.resolve("anti-ugly").vector.effect == {}


def test_a_directory_with_something_in_it_is_left_alone(
    sd1: DiffusionModel, options: Make, tmp_path: Path
) -> None:
    (tmp_path / "statistics.jsonl").write_text("precious")
    with pytest.raises(RunDirectoryError, match="already holds something"):
        run_learning(sd1, options(), directory=tmp_path, library=VectorLibrary(tmp_path / "library"))
    assert (tmp_path / "statistics.jsonl").read_text() == "precious"


@pytest.mark.parametrize("end", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_run_publishes_nothing_and_goes_on_where_it_was(
    sd1: DiffusionModel, options: Make, tmp_path: Path, end: type[BaseException]
) -> None:
    def interrupt(phase: str, done: int, total: int, loss: float | None) -> None:
        if done == EVERY_STEPS + 3:
            raise end

    library = VectorLibrary(tmp_path / "library")
    longer = options(recipe=TrajectoryRecipe(steps=EVERY_STEPS + 6, batch=2, inference_steps=4))
    with pytest.raises(end):
        run_learning(sd1, longer, directory=tmp_path / "run", library=library, progress=interrupt)
    statistics = tmp_path / "run/statistics.jsonl"
    assert len(statistics.read_text().splitlines()) == EVERY_STEPS + 3
    assert not list(tmp_path.rglob("woman*"))
    assert not library.names()

    with pytest.raises(RunDirectoryError, match="holds a run with other options"):
        run_learning(sd1, replace(longer, seed=1), directory=tmp_path / "run", library=library)
    result = run_learning(sd1, longer, directory=tmp_path / "run", library=library, sampling=SAMPLING)
    whole = run_learning(sd1, longer, directory=tmp_path / "whole", library=library, sampling=SAMPLING)
    assert result.stored[0].digest == whole.stored[0].digest
    steps = [json.loads(line)["step"] for line in statistics.read_text().splitlines()]
    assert steps == list(range(1, EVERY_STEPS + 7)), "each step once"
    with pytest.raises(RunDirectoryError, match="holds a finished run"):
        run_learning(sd1, longer, directory=tmp_path / "run", library=library)


def test_what_a_run_published_before_it_was_interrupted_is_published_once(
    sd1: DiffusionModel, options: Make, tmp_path: Path
) -> None:
    library = VectorLibrary(tmp_path / "library")
    asked: list[str] = []

    def detector_for(concept: Concept) -> ToldDetector | None:
        asked.append(concept.name)
        if asked == ["woman", "man"]:
            raise KeyboardInterrupt
        return ToldDetector([{"gender": "man"}])

    def go_on() -> None:
        run_learning(
            sd1,
            options(concepts=(WOMAN, MAN)),
            directory=tmp_path / "run",
            library=library,
            detector_for=detector_for,
            sampling=SAMPLING,
        )

    with pytest.raises(KeyboardInterrupt):
        go_on()
    assert library.names() == ["woman"]
    go_on()
    assert (library.versions("woman"), library.versions("man")) == ([1], [1])


def test_a_diverged_run_publishes_nothing(sd1: DiffusionModel, options: Make, tmp_path: Path) -> None:
    recipe = TrajectoryRecipe(steps=20, batch=2, inference_steps=4, learning_rate=1e30)
    library = VectorLibrary(tmp_path / "library")
    with pytest.raises(DivergedError):
        run_learning(sd1, options(recipe=recipe), directory=tmp_path / "run", library=library)
    assert not list(tmp_path.rglob("woman*"))


def test_a_vector_survives_a_library_that_cannot_be_written(
    sd1: DiffusionModel, options: Make, tmp_path: Path
) -> None:
    (tmp_path / "library").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="library"):
        run_learning(sd1, options(), directory=tmp_path / "run", library=VectorLibrary(tmp_path / "library"))
    assert load_vector(tmp_path / "run/woman.safetensors").concept == "woman"
