"""What steering costs: the time of a step with every image steered by its own combination, against none.

Both are timed in turn, step by step, in one run.

    python -m benchmarks.steering --json benchmarks/results/steering.json
    python -m benchmarks.steering --model sd15 --device cuda --dtype bfloat16
    python -m benchmarks.steering --quick
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import track

from benchmarks.machine import described
from benchmarks.random_models import NAMES, random_model
from diffusion import DiffusionModel, Engine, Order, Row, Sampling
from diffusion.runner import Runner
from trimtab import DEMO_MODEL, load_model
from vectors import ConceptVector, VectorLibrary

COMBINATIONS = (
    {"one": 1.0},
    {"two": 1.0},
    {"one": 0.5, "two": 1.0},
    {"three": -1.0},
    {"one": 1.0, "three": 0.5},
    {"two": 0.7, "three": 0.7},
    {"one": 1.0, "two": 1.0, "three": 1.0},
    {"three": 1.5},
)


def main(
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
    model: Annotated[str, typer.Option(help=f"demo, or random weights of {' or '.join(NAMES)}.")] = "demo",
    size: Annotated[int, typer.Option(help="Pixels of a side, for random weights.")] = 512,
    images: Annotated[int, typer.Option(help="Images in a step, each of two U-Net rows.")] = 32,
    steps: Annotated[int, typer.Option(help="Steps of either kind.")] = 40,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    quick: Annotated[bool, typer.Option("--quick", help="8 images, 10 steps, with rougher figures.")] = False,
) -> None:
    """Time steered and unsteered steps in turn; see the head of this file."""
    if quick:
        images, steps = 8, 10
    loaded = (
        load_model(DEMO_MODEL, device=device, dtype=dtype)
        if model == "demo"
        else random_model(model, size, getattr(torch, dtype), device)
    )
    ratios: list[float] = []
    times: dict[str, list[float]] = {"unsteered": [], "steered": []}
    runner = Runner(loaded)
    orders = _orders(loaded, images, 2 * steps)
    rows = {name: runner.begin(orders[name]) for name in times}
    for step in track(range(steps + 2), "steps"):
        taken = {}
        for name in times if step % 2 else reversed(times):  # neither always goes first
            _synchronise(device)
            begin = perf_counter()
            runner.step(rows[name])
            _synchronise(device)
            taken[name] = perf_counter() - begin
        if step >= 2:
            ratios.append(taken["steered"] / taken["unsteered"])
            for name, seconds in taken.items():
                times[name].append(seconds)
    result = described(device) | {
        "model": model,
        "dtype": dtype,
        "images in a step": images,
        "combinations": len(COMBINATIONS),
        **{f"{name} step, ms": round(1000 * median(seconds), 2) for name, seconds in times.items()},
        "steered / unsteered, median of pairs": round(median(ratios), 4),
        "steered / unsteered, quickest": round(min(times["steered"]) / min(times["unsteered"]), 4),
    }
    Console().print_json(json.dumps(result))
    if json_path is not None:
        json_path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _orders(model: DiffusionModel, images: int, steps: int) -> dict[str, list[Order]]:
    """Return the same images without and with vectors, each of them a random one of the model's shape."""
    shape = model.site_shape(*model.default_size)
    with TemporaryDirectory() as folder:
        library = VectorLibrary(folder)
        for number, name in enumerate(("one", "two", "three")):
            values = torch.randn(shape, generator=torch.Generator().manual_seed(number))
            library.publish(ConceptVector(name, values, base_model=model.fingerprint))
        engine = Engine(model, library)
        rows = [Row("a photo of a doctor", seed) for seed in range(images)]
        steered = [replace(row, steering=COMBINATIONS[row.seed % len(COMBINATIONS)]) for row in rows]
        sampling = Sampling(steps)
        return {"unsteered": engine.prepare(rows, sampling), "steered": engine.prepare(steered, sampling)}


def _synchronise(device: str) -> None:
    """Wait for the device, which may work behind our back."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


if __name__ == "__main__":
    typer.run(main)
