"""The engine on a GPU at the size of real models: images a second, and the share of what the device can multiply.

Random weights of the published configurations; guidance, DDIM, every image steered differently. Beside the engine:
diffusers' pipeline one image at a time, as it is and with its U-Net compiled. The rate of large matrix products is
measured in the same run.

    python -m benchmarks.gpu --model sd15 --json benchmarks/results/gpu-sd15.json
    python -m benchmarks.gpu --model sdxl --size 1024 --batches 4,8
    python -m benchmarks.gpu --quick
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Annotated

import torch
import typer
from rich.console import Console
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import described
from benchmarks.random_models import NAMES, random_model
from diffusion import DiffusionModel, Engine, Row, Sampling
from vectors import ConceptVector, VectorLibrary


def main(
    model: Annotated[str, typer.Option(help=" or ".join(NAMES))] = "sd15",
    size: Annotated[int, typer.Option(help="Pixels of a side.")] = 512,
    steps: Annotated[int, typer.Option(help="Steps of an image.")] = 50,
    batches: Annotated[str, typer.Option(help="Images in flight, one run each.")] = "1,8,16,32",
    device: Annotated[str, typer.Option(help="cuda or cpu.")] = "cuda",
    dtype: Annotated[str, typer.Option(help="bfloat16, float16 or float32.")] = "bfloat16",
    compiled: Annotated[bool, typer.Option(help="Also diffusers' pipeline with a compiled U-Net.")] = True,
    quick: Annotated[
        bool, typer.Option("--quick", help="On the CPU, 64 pixels, 2 steps, nothing compiled: does it work?")
    ] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
) -> None:
    """Compare images a second; see the head of this file."""
    if quick:
        size, steps, batches, device, dtype, compiled = 64, 2, "1,2", "cpu", "float32", False
    console = Console()
    precision = getattr(torch, dtype)
    loaded = random_model(model, size, precision, device)
    operations = _operations(loaded, steps)
    rate = _matrix_product_rate(precision, device)
    images_per_s: dict[str, float] = {}
    with TemporaryDirectory() as folder:
        library = VectorLibrary(folder)
        for number, name in enumerate(("one", "two", "three")):
            values = torch.randn(
                loaded.site_shape(size, size), generator=torch.Generator().manual_seed(number)
            )
            library.publish(ConceptVector(name, values, base_model=loaded.fingerprint))
        for count in map(int, batches.split(",")):
            engine = Engine(loaded, library, max_batch_rows=2 * count)
            names = ("one", "two", "three")
            rows = [
                Row("a photo of a doctor", seed, steering={names[seed % 3]: 1.0}) for seed in range(count)
            ]
            engine.generate(rows, Sampling(2))  # compiles the kernels and warms up
            seconds = _timed(lambda e=engine, r=rows: e.generate(r, Sampling(steps)), device)
            images_per_s[f"engine, {count} images"] = count / seconds
            console.print(f"engine, {count} images: {count / seconds:.3f} images/s")
    for name in ("eager", "compiled") if compiled else ("eager",):
        if name == "compiled":
            loaded.pipe.unet = torch.compile(loaded.pipe.unet, mode="max-autotune", fullgraph=True)
        _one_image(loaded, 2)
        seconds = _timed(lambda: _one_image(loaded, steps), device)
        images_per_s[f"diffusers, {name}, 1 image"] = 1 / seconds
        console.print(f"diffusers, {name}: {1 / seconds:.3f} images/s")
    best = max(figure for name, figure in images_per_s.items() if name.startswith("engine"))
    result = described(device) | {
        "model": f"{model}, {size} px, {steps} steps, {dtype}",
        "images/s": {name: round(figure, 4) for name, figure in images_per_s.items()},
        "TFLOP an image": round(operations / 1e12, 3),
        "matrix products, TFLOP/s": round(rate / 1e12, 2),
        "engine's best, share of matrix products": round(best * operations / rate, 3),
    }
    console.print_json(json.dumps(result))
    if json_path is not None:
        json_path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _one_image(model: DiffusionModel, steps: int) -> None:
    model.pipe("a photo of a doctor", num_inference_steps=steps, guidance_scale=5.0)


def _timed(work: Callable[[], object], device: str) -> float:
    """Return the seconds that work takes."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    begin = perf_counter()
    work()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return perf_counter() - begin


def _operations(model: DiffusionModel, steps: int) -> float:
    """Count the floating-point operations of an image with guidance: its U-Net passes and its decoding."""
    shape = model.latent_shape(*model.default_size)
    latents = torch.zeros(1, *shape, device=model.device)
    encoding = model.encode_negative([""])
    with FlopCounterMode(display=False) as row, torch.no_grad():
        model.predict(latents, torch.zeros(1, device=model.device), encoding)
    with FlopCounterMode(display=False) as decoding:
        model.decode(latents)
    return 2 * steps * row.get_total_flops() + decoding.get_total_flops()


def _matrix_product_rate(dtype: torch.dtype, device: str) -> float:
    """Return the operations a second of large matrix products."""
    side = 8192 if device.startswith("cuda") else 1024
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    _timed(lambda: a @ b, device)
    repeats = 20
    seconds = _timed(lambda: [a @ b for _ in range(repeats)], device)
    return 2 * side**3 * repeats / seconds


if __name__ == "__main__":
    typer.run(main)
