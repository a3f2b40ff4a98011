"""A run of the learner and the directory it leaves: options, statistics, plots, the vectors.

`run_learning` is the entry point. In the directory: options.json (resolved, with the seed and the model's
fingerprint), statistics.jsonl (a line a step, written as it goes), loss.png, and of each concept NAME.safetensors,
NAME.png (pictures at several strengths) and, where it was measured, NAME-effect.png.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectors import Detector
from diffusion import DiffusionModel, Sampling, with_cores
from diffusion.processes import ALONE, Processes
from learn_vectors.checkpoint import Checkpoint
from learn_vectors.concepts import Concept
from learn_vectors.errors import RunDirectoryError
from learn_vectors.learn import learn_vectors
from learn_vectors.lessons import preview_prompts
from learn_vectors.measure import measure_vector
from learn_vectors.options import LearnOptions
from learn_vectors.pictures import effect_plot, loss_plot, strengths_grid
from learn_vectors.progress import Progress, silent
from vectors import ConceptSet, ConceptVector, StoredVector, VectorLibrary, save_vector

OPTIONS = "options.json"
CHECKPOINT = "checkpoint.safetensors"
UNFINISHED = "unfinished"


@dataclass(frozen=True)
class RunResult:
    """What a run has made, in the order of the concepts."""

    directory: Path
    stored: tuple[StoredVector, ...]


def run_learning(
    model: DiffusionModel,
    options: LearnOptions,
    *,
    directory: Path,
    library: VectorLibrary,
    detector_for: Callable[[Concept], Detector | None] = lambda concept: None,
    sampling: Sampling | None = None,
    progress: Progress = silent,
    processes: Processes = ALONE,
) -> RunResult:
    """Learn vectors in a directory, measure them, draw what they do, and publish them in the library.

    A directory in which the same run was interrupted is gone on with. A vector is written once it is whole: to
    the directory first, so that a library that cannot be written loses nothing. Raises RunDirectoryError where
    the directory holds anything else, and as `learn_vectors` does.
    """
    described = options.resolved() | {"model": {"name": model.name, "fingerprint": model.fingerprint}}
    if processes.is_main:
        _claim(directory, described)
    processes.wait_for_everyone()
    checkpoint = Checkpoint(directory / CHECKPOINT)
    statistics = _Statistics(directory / "statistics.jsonl", progress)
    told = statistics if processes.is_main else silent
    learned = with_cores(lambda tell: learn_vectors(model, options, tell, checkpoint, processes), told)
    if not processes.is_main:
        return RunResult(directory, ())
    title = f"Learning {', '.join(vector.concept for vector in learned)}"
    loss_plot(statistics.losses, title=title).save(directory / "loss.png")
    stored = []
    for vector, concept in zip(learned, options.concepts, strict=True):
        path = directory / f"{vector.concept}.safetensors"
        save_vector(vector, path)
        together = next(group for group in options.groups if concept in group)
        beside = [
            other
            for other, its in zip(learned, options.concepts, strict=True)
            if its in together and its != concept
        ]
        finished = _measured(model, vector, concept, detector_for(concept), beside, options.seed, progress)
        save_vector(finished, path)
        stored.append(_published(finished, library))
        prompts = preview_prompts(options, concept)
        _draw(model, finished, prompts, sampling or Sampling(num_inference_steps=30), options, directory)
    for name, members in options.sets.items():
        library.define_set(ConceptSet(name, members))
    checkpoint.remove()
    (directory / UNFINISHED).unlink()
    return RunResult(directory, tuple(stored))


def _claim(directory: Path, described: dict[str, Any]) -> None:
    """Make the directory this run's; one that holds this very run, unfinished, already is."""
    path = directory / OPTIONS
    if path.exists():
        if json.loads(path.read_text(encoding="utf-8")) != described:
            raise RunDirectoryError(f"{directory} holds a run with other options: give a new directory")
        if not (directory / UNFINISHED).exists():
            raise RunDirectoryError(
                f"{directory} holds a finished run: give a new directory, so that none is lost"
            )
        return
    if directory.exists() and any(directory.iterdir()):
        raise RunDirectoryError(f"{directory} already holds something: give a new directory")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / UNFINISHED).touch()
    path.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


def _measured(
    model: DiffusionModel,
    vector: ConceptVector,
    concept: Concept,
    detector: Detector | None,
    beside: Sequence[ConceptVector],
    seed: int,
    progress: Progress,
) -> ConceptVector:
    """Measure a vector where there is something to read pictures with."""
    if detector is None:
        return vector
    return measure_vector(
        model,
        vector,
        concept,
        detector,
        beside=beside,
        seed=seed,
        progress=lambda done, total: progress(f"measuring {vector.concept}", done, total, None),
    )


def _published(vector: ConceptVector, library: VectorLibrary) -> StoredVector:
    """Publish a vector once: a run that was interrupted behind it finds it there when it goes on."""
    for version in library.versions(vector.concept):
        stored = library.resolve(f"{vector.concept}@{version}")
        if (stored.digest, stored.vector.effect) == (vector.digest, vector.effect):
            return stored
    return library.publish(vector)


def _draw(
    model: DiffusionModel,
    vector: ConceptVector,
    prompts: Sequence[str],
    sampling: Sampling,
    options: LearnOptions,
    directory: Path,
) -> None:
    """Draw what a vector does."""
    grid = strengths_grid(model, vector, prompts, sampling, seed=options.seed)
    grid.save(directory / f"{vector.concept}.png")
    if vector.effect:
        effect_plot(vector).save(directory / f"{vector.concept}-effect.png")


class _Statistics:
    """A Progress that keeps a line for each learning step and passes everything on."""

    def __init__(self, path: Path, progress: Progress) -> None:
        self._path, self._progress = path, progress
        self._lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self._start = time.monotonic()

    @property
    def losses(self) -> list[float]:
        """The loss of each step."""
        return [json.loads(line)["loss"] for line in self._lines]

    def __call__(self, phase: str, done: int, total: int, loss: float | None) -> None:
        if loss is not None:
            line = {"step": done, "loss": loss, "elapsed_s": round(time.monotonic() - self._start, 3)}
            if len(self._lines) >= done:  # the run goes on from before the last line that was written
                self._lines = self._lines[: done - 1]
                self._path.write_text("".join(f"{kept}\n" for kept in self._lines), encoding="utf-8")
            self._lines.append(json.dumps(line))
            with self._path.open("a", encoding="utf-8") as file:
                file.write(self._lines[-1] + "\n")
        self._progress(phase, done, total, loss)
