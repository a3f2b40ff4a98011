"""Pictures of a run: the loss over the steps, and the same seeds with and without the vector.

Entry points: `loss_plot`, `before_after`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from PIL import Image

from diffusion import DiffusionModel, Sampling, steer
from diffusion.schedules import make_scheduler
from vectors import ConceptVector

IMAGES_PER_PROMPT = 8


def loss_plot(losses: Sequence[float], *, title: str) -> Image.Image:
    """Plot the loss of each step, with a running mean to read it by."""
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    steps = range(1, len(losses) + 1)
    window = max(1, len(losses) // 20)
    means = [sum(losses[max(0, step - window) : step]) / min(step, window) for step in steps]
    axes.plot(steps, losses, color="#b8c4d6", linewidth=0.8, label="each step")
    axes.plot(steps, means, color="#1f4e8c", linewidth=1.8, label=f"mean of {window} steps")
    axes.set(title=title, xlabel="step", ylabel="mean squared error", yscale="log")
    axes.legend(frameon=False)
    return _rendered(figure)


def before_after(
    model: DiffusionModel, vector: ConceptVector, prompts: Sequence[str], sampling: Sampling, *, seed: int
) -> Image.Image:
    """Make a grid: of each prompt a row without and a row with the vector, the same seeds under each other."""
    rows: list[tuple[str, list[Image.Image]]] = []
    for prompt in prompts:
        rows.append((f"{prompt}\nwithout", _images(model, prompt, sampling, seed)))
        with steer(
            model.pipe, {vector.concept: vector.recommended_strength}, vectors={vector.concept: vector}
        ):
            rows.append((f"with {vector.concept}", _images(model, prompt, sampling, seed)))
    figure = Figure(figsize=(1.2 * IMAGES_PER_PROMPT + 2, 1.25 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), IMAGES_PER_PROMPT, squeeze=False)
    for line, (label, images) in zip(grid, rows, strict=True):
        for axes, image in zip(line, images, strict=True):
            axes.imshow(image)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        line[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
    return _rendered(figure)


def _images(model: DiffusionModel, prompt: str, sampling: Sampling, seed: int) -> list[Image.Image]:
    """Make the images of one prompt at consecutive seeds."""
    model.pipe.scheduler = make_scheduler(sampling.scheduler, model.scheduler_config)
    images: list[Image.Image] = model.pipe(
        [prompt] * IMAGES_PER_PROMPT,
        num_inference_steps=sampling.num_inference_steps,
        guidance_scale=sampling.guidance_scale,
        generator=[torch.Generator().manual_seed(seed + number) for number in range(IMAGES_PER_PROMPT)],
    ).images
    return images


def _rendered(figure: Figure) -> Image.Image:
    """Render a figure to a picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return Image.open(buffer).convert("RGB")
