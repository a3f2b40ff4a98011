"""A run of the learner and the directory it leaves: options, statistics, plots, the vector.

`run_learning` is the entry point. In the directory: options.json (resolved, with the seed and the model's
fingerprint), statistics.jsonl (a line a step, written as it goes), loss.png, before_after.png, vector.safetensors.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from diffusion import DiffusionModel, Sampling
from learn_vectors.errors import RunDirectoryError
from learn_vectors.learn import learn_vector
from learn_vectors.lessons import preview_prompts
from learn_vectors.options import LearnOptions
from learn_vectors.pictures import before_after, loss_plot
from learn_vectors.progress import Progress, silent
from vectors import ConceptVector, StoredVector, VectorLibrary, save_vector


@dataclass(frozen=True)
class RunResult:
    """What a run has made."""

    directory: Path
    vector: ConceptVector
    stored: StoredVector


def run_learning(
    model: DiffusionModel,
    options: LearnOptions,
    *,
    directory: Path,
    library: VectorLibrary,
    sampling: Sampling | None = None,
    progress: Progress = silent,
) -> RunResult:
    """Learn a vector in a new directory, draw what it does, and publish it in the library.

    The vector is written once it is whole: to the directory first, so that a library that cannot be written
    loses nothing. Raises RunDirectoryError where the directory already holds a run, and as `learn_vector` does.
    """
    if directory.exists() and any(directory.iterdir()):
        raise RunDirectoryError(
            f"{directory} already holds something: give a new directory, so that no run is lost"
        )
    directory.mkdir(parents=True, exist_ok=True)
    described = options.resolved() | {"model": {"name": model.name, "fingerprint": model.fingerprint}}
    (directory / "options.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    with (directory / "statistics.jsonl").open("w", encoding="utf-8") as file:
        statistics = _Statistics(file, progress)
        vector = learn_vector(model, options, statistics)
    save_vector(vector, directory / "vector.safetensors")
    stored = library.publish(vector)
    loss_plot(statistics.losses, title=f"Learning {vector.concept}").save(directory / "loss.png")
    before_after(
        model,
        vector,
        preview_prompts(options),
        sampling or Sampling(num_inference_steps=30),
        seed=options.seed,
    ).save(directory / "before_after.png")
    return RunResult(directory, vector, stored)


class _Statistics:
    """A Progress that keeps a line for each learning step and passes everything on."""

    def __init__(self, file: TextIO, progress: Progress) -> None:
        self._file, self._progress = file, progress
        self._start = time.monotonic()
        self.losses: list[float] = []

    def __call__(self, phase: str, done: int, total: int, loss: float | None) -> None:
        if loss is not None:
            self.losses.append(loss)
            line = {"step": done, "loss": loss, "elapsed_s": round(time.monotonic() - self._start, 3)}
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        self._progress(phase, done, total, loss)
