"""What the engine is worth to the learner and the evaluation: pictures a second, against diffusers prompt by prompt.

Both make many pictures of a few prompts, steered by one vector after another. Compared in one run, on the same
prompts, seeds and vectors:

    diffusers   a call of the steered pipeline for every prompt and vector, all its seeds in one batch
    engine      everything handed in at once, as the evaluation does
    bf16        the same on weights in bf16, as the evaluations of the documents are made

    python -m benchmarks.pictures --json benchmarks/results/pictures.json
    python -m benchmarks.pictures --quick
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from rich.console import Console
from rich.progress import track

from benchmarks.machine import described, on_all_cores
from diffusion import DiffusionModel, Engine, Row, Sampling, leave_cores_to_engines, make_scheduler, steer
from trimtab import DEMO_MODEL, load_model, shipped_library

PROMPTS = (
    "a photo of a builder",
    "a photo of a judge on a beach",
    "a photo of a police officer",
    "a photo of a nurse in a park",
)
STEERINGS = ({"woman": 1.0}, {"man": 1.0}, {"black": 1.0}, {"anti-sexual": 1.0})


def main(
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
    images: Annotated[int, typer.Option(min=1, help="Pictures of each prompt and vector.")] = 8,
    rounds: Annotated[int, typer.Option(min=1, help="How often all is made by each in turn.")] = 3,
    quick: Annotated[bool, typer.Option(help="Two pictures each, one round: does it work?")] = False,
) -> None:
    """Make the same pictures in three ways, in turn; see the head of this file."""
    if quick:
        images, rounds = 2, 1
    machine = described("cpu")
    leave_cores_to_engines()
    sampling = Sampling(20)
    exact, half = (load_model(DEMO_MODEL, device="cpu", dtype=dtype) for dtype in ("float32", "bfloat16"))
    rows = [
        Row(prompt, seed, steering=steering)
        for prompt in PROMPTS
        for steering in STEERINGS
        for seed in range(images)
    ]
    ways = {
        "diffusers": lambda: on_all_cores(lambda: _by_diffusers(exact, rows, images, sampling)),
        "engine": lambda: _by_engine(exact, rows, sampling),
        "engine, bf16": lambda: _by_engine(half, rows, sampling),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    made: dict[str, list[Image.Image]] = {}
    for _ in track(range(rounds), "rounds"):
        for name, way in ways.items():
            begin = perf_counter()
            made[name] = way()
            seconds[name].append(perf_counter() - begin)
    best = {name: min(each) for name, each in seconds.items()}
    result = machine | {
        "pictures": len(rows),
        "steps": sampling.num_inference_steps,
        "pictures/s": {name: round(len(rows) / each, 2) for name, each in best.items()},
        "times diffusers": {name: round(best["diffusers"] / each, 2) for name, each in best.items()},
        "largest difference of a pixel from diffusers, of 255": {
            name: _largest_difference(made["diffusers"], made[name]) for name in ways
        },
    }
    Console().print_json(json.dumps(result))
    if json_path is not None:
        json_path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _by_diffusers(
    model: DiffusionModel, rows: Sequence[Row], batch: int, sampling: Sampling
) -> list[Image.Image]:
    """Make the rows with the pipeline, `batch` of one prompt and steering at a time."""
    library = shipped_library()
    pictures: list[Image.Image] = []
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        model.pipe.scheduler = make_scheduler("ddim", model.scheduler_config)
        with steer(model.pipe, some[0].steering, vectors=library):
            pictures += model.pipe(
                some[0].prompt,
                num_images_per_prompt=len(some),
                num_inference_steps=sampling.num_inference_steps,
                guidance_scale=sampling.guidance_scale,
                generator=[torch.Generator().manual_seed(row.seed) for row in some],
            ).images
    return pictures


def _by_engine(model: DiffusionModel, rows: Sequence[Row], sampling: Sampling) -> list[Image.Image]:
    """Make the rows with an engine of their own, as a run of the evaluation does."""
    return [made.image for made in Engine(model, shipped_library()).generate(rows, sampling)]


def _largest_difference(some: Sequence[Image.Image], others: Sequence[Image.Image]) -> int:
    """Return the largest difference of a pixel's channel between two rows of pictures, 0 to 255."""
    return max(
        int(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max())
        for one, other in zip(some, others, strict=True)
    )


if __name__ == "__main__":
    typer.run(main)
