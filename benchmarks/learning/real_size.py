"""Learning at the size of Stable Diffusion 1.5: seconds a vector and peak memory, with random weights.

python -m benchmarks.learning.real_size --json benchmarks/results/real_size.json
python -m benchmarks.learning.real_size --kind anti-concept --gradient-checkpointing
python -m benchmarks.learning.real_size --quick
"""

from __future__ import annotations

import json
import resource
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from benchmarks.machine import described
from benchmarks.random_models import NAMES, random_model
from learn_vectors import Concept, LearnOptions, TrajectoryRecipe, learn_vectors

CONCEPTS = {
    "concept": Concept(("a photo of a woman",), ("a photo of a person",)),
    "anti-concept": Concept(("a photo of a gorgeous person",), negative_prompt="sexual"),
}


def main(
    model: Annotated[str, typer.Option(help=" or ".join(NAMES))] = "sd15",
    kind: Annotated[str, typer.Option(help=" or ".join(CONCEPTS))] = "concept",
    device: Annotated[str, typer.Option(help='"cuda" or "cpu".')] = "cuda",
    dtype: Annotated[str, typer.Option(help="What the model computes in.")] = "bfloat16",
    size: Annotated[int, typer.Option(help="Pixels of a side.")] = 512,
    batch: Annotated[int, typer.Option(help="Rows in a step.")] = TrajectoryRecipe().batch,
    steps: Annotated[int, typer.Option(help="Steps to time; a vector takes the recipe's.")] = 20,
    gradient_checkpointing: bool = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="On the CPU, 64 pixels, one step of one row: does it work?")
    ] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the result here.")] = None,
) -> None:
    """Time a few steps of learning and say what a whole vector takes."""
    if quick:
        device, dtype, size, batch, steps, gradient_checkpointing = "cpu", "float32", 64, 1, 1, True
    loaded = random_model(model, size, getattr(torch, dtype), device)
    if gradient_checkpointing:
        loaded.pipe.unet.enable_gradient_checkpointing()
    is_cuda = device.startswith("cuda")
    before = _peak_bytes(is_cuda)
    usual = LearnOptions((CONCEPTS[kind],))
    options = replace(usual, recipe=TrajectoryRecipe(steps=steps, batch=batch))
    times: list[float] = [time.perf_counter()]
    learn_vectors(loaded, options, lambda phase, done, total, loss: times.append(time.perf_counter()))
    per_step = (times[-1] - times[1]) / (steps - 1) if steps > 1 else times[1] - times[0]
    result = described(device) | {
        "model": model,
        "kind": kind,
        "dtype": dtype,
        "size": size,
        "batch": batch,
        "gradient_checkpointing": gradient_checkpointing,
        "seconds_per_step": round(per_step, 4),
        "seconds_per_vector": round(per_step * usual.total_steps, 1),
        "loaded_gib": round(before / 2**30, 2),
        "peak_memory_gib": round(_peak_bytes(is_cuda) / 2**30, 2),
    }
    Console().print_json(json.dumps(result))
    if json_path is not None:
        json_path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _peak_bytes(is_cuda: bool) -> int:
    """Return the most memory that was in use so far: of the device, or of the process."""
    if is_cuda:
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    typer.run(main)
