"""Pictures of a run: the loss over the steps, the same seeds at several strengths, the measured effect.

Entry points: `loss_plot`, `strengths_grid`, `effect_plot`; `picture_maker` makes others.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from matplotlib.figure import Figure
from PIL import Image

from diffusion import DiffusionModel, Engine, Row, Sampling
from vectors import ConceptVector, VectorLibrary

IMAGES_PER_PROMPT = 8

MakePictures = Callable[[Sequence[tuple[str, int, float]], Sampling], list[Image.Image]]
"""([(prompt, seed, strength of the vectors)], sampling) -> the pictures, in order."""


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


def strengths_grid(
    model: DiffusionModel, vector: ConceptVector, prompts: Sequence[str], sampling: Sampling, *, seed: int
) -> Image.Image:
    """Make a grid: of each prompt a row at strength 0 and more up to the recommended one, the same seeds."""
    lines = [(prompt, share * vector.recommended_strength) for prompt in prompts for share in (0.0, 0.5, 1.0)]
    wanted = [
        (prompt, seed + number, strength) for prompt, strength in lines for number in range(IMAGES_PER_PROMPT)
    ]
    with picture_maker(model, [vector]) as make:
        images = iter(make(wanted, sampling))
    figure = Figure(figsize=(1.2 * IMAGES_PER_PROMPT + 2, 1.25 * len(lines)), layout="constrained")
    grid = figure.subplots(len(lines), IMAGES_PER_PROMPT, squeeze=False)
    for row, (prompt, strength) in zip(grid, lines, strict=True):
        for axes in row:
            axes.imshow(next(images))
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        label = f"{prompt}\n{vector.concept} x {strength:g}"
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
    return _rendered(figure)


def effect_plot(vector: ConceptVector) -> Image.Image:
    """Plot the measured effect over the strengths, and mark the recommended one."""
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    for key, colour in (("success", "#1f4e8c"), ("kept", "#c05621")):
        points = sorted(
            (float(name.split("@")[1]), value)
            for name, value in vector.effect.items()
            if name.startswith(f"{key}@")
        )
        axes.plot(*zip(*points, strict=True), marker="o", color=colour, label=key)
    axes.axvline(vector.recommended_strength, color="#888888", linestyle=":", label="recommended")
    axes.set(title=f"What {vector.concept} does", xlabel="strength", ylabel="share", ylim=(-0.03, 1.03))
    axes.legend(frameon=False)
    return _rendered(figure)


@contextmanager
def picture_maker(model: DiffusionModel, vectors: Sequence[ConceptVector]) -> Iterator[MakePictures]:
    """Give a function that makes pictures with vectors, all by one engine."""
    with TemporaryDirectory() as folder:  # an engine takes its vectors from a library
        library = VectorLibrary(folder)
        for vector in vectors:
            library.publish(vector)
        engine = Engine(model, library)

        def make(wanted: Sequence[tuple[str, int, float]], sampling: Sampling) -> list[Image.Image]:
            rows = [
                Row(prompt, seed, steering={vector.concept: strength for vector in vectors})
                for prompt, seed, strength in wanted
            ]
            return [made.image for made in engine.generate(rows, sampling)]

        yield make


def _rendered(figure: Figure) -> Image.Image:
    """Render a figure to a picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return Image.open(buffer).convert("RGB")
