"""How long learning takes until a vector works: our default against the authors' procedure as published.

The authors' procedure (Li et al., CVPR 2024, arXiv 2311.17216, and their public code): 1,000 images of y+, one at a
time, 30 PNDM steps at guidance 7.5; then 2,500 steps of Adam at 0.1 on batches of 8, with the autoencoder and the text
encoder run again at every step. `--scale 0.25` makes a quarter of the images and of the steps, so that both parts
shrink alike.

Both are measured to the same success on prompts they do not learn from: the share of pictures that show the concept,
read by the oracle of the demo model, at strength 1. The bar is what the authors' procedure reaches at the end of its
run, or `--success`, whichever is lower. Time spent on measuring does not count.

    python -m benchmarks.learning.time_to_success --json benchmarks/results/time_to_success.json
    python -m benchmarks.learning.time_to_success --quick
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Annotated

import torch
import typer
from diffusers import DDPMScheduler
from rich.console import Console
from rich.table import Table

from detectors import DemoOracle
from diffusion import DiffusionModel, Sampling, leave_cores_to_engines, load_model, with_cores
from diffusion.activation import site_scale
from diffusion.schedules import make_scheduler
from diffusion.site import BOTTLENECK
from diffusion.steering import added_at_site
from learn_vectors import Concept, LearnOptions, PaperRecipe, TrajectoryRecipe
from learn_vectors.optimizer import VectorOptimizer
from learn_vectors.pictures import picture_maker
from learn_vectors.trajectory_matching import match_trajectories
from trimtab import DEMO_MODEL
from vectors import ConceptVector

CONCEPT = Concept(("a photo of a woman",), ("a photo of a person",))
HELD_OUT = ("a photo of a builder", "a photo of a judge on a beach", "a photo of a police officer")
IMAGES_PER_PROMPT = 12
SAMPLING = Sampling(num_inference_steps=15)


@dataclass(frozen=True)
class Moment:
    """How good a vector is after some time of learning."""

    step: int
    elapsed_s: float
    success: float


def authors_procedure(model: DiffusionModel, scale: float, seed: int) -> Iterator[torch.Tensor]:
    """Learn as published, yielding the values [C, h, w] after every step; images are made before the first."""
    recipe = PaperRecipe()
    images = []
    for number in range(round(recipe.images * scale)):
        model.pipe.scheduler = make_scheduler("pndm", model.scheduler_config)
        images += model.pipe(
            CONCEPT.positive[0],
            num_inference_steps=recipe.inference_steps,
            guidance_scale=recipe.guidance_scale,
            generator=torch.Generator().manual_seed(seed + number),
        ).images
    values = torch.zeros(model.site_shape(*model.default_size), requires_grad=True)
    adam = torch.optim.Adam([values], lr=recipe.learning_rate)
    noising = DDPMScheduler.from_config(model.scheduler_config)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(round(recipe.steps * scale)):
        rows = torch.randint(len(images), (recipe.batch,), generator=generator).tolist()
        latents = model.encode_images([images[row] for row in rows])
        encoding = model.encode(list(CONCEPT.negative) * recipe.batch)
        noise = torch.randn(latents.shape, generator=generator)
        timesteps = torch.randint(0, model.num_train_timesteps, (recipe.batch,), generator=generator)
        noised = noising.add_noise(latents, noise, timesteps)
        with added_at_site(model.pipe.unet, BOTTLENECK, lambda h: h + values):
            prediction = model.predict(noised, timesteps, encoding)
        adam.zero_grad()
        (prediction - noise).square().mean().backward()
        adam.step()
        yield values.detach().clone()


def our_default(model: DiffusionModel, seed: int) -> Iterator[torch.Tensor]:
    """Learn by our defaults, yielding what would be the result after every step."""
    recipe = TrajectoryRecipe()
    options = LearnOptions((CONCEPT,), seed=seed, recipe=recipe)
    values = torch.zeros(1, *model.site_shape(*model.default_size), requires_grad=True)
    optimizer = VectorOptimizer(
        values,
        learning_rate=recipe.learning_rate * site_scale(model, BOTTLENECK),
        steps=options.steps_of(options.concepts),
        averaged=recipe.averaged_share,
    )
    for _ in match_trajectories(model, optimizer, options, recipe, (CONCEPT,)):
        yield optimizer.result[0].clone()


def course(
    model: DiffusionModel, learning: Iterator[torch.Tensor], every: int, told: Callable[[Moment], None]
) -> list[Moment]:
    """Run a learner to its end, measuring the vector every so many steps, off the clock."""
    oracle = DemoOracle()
    moments: list[Moment] = []
    step, learned_s = 0, 0.0

    def learn(tell: Callable[[], None]) -> list[torch.Tensor]:
        steps = []
        for values in islice(learning, every):
            tell()
            steps.append(values)
        return steps

    while True:
        started = time.perf_counter()
        learned = with_cores(learn, lambda: None)
        learned_s += time.perf_counter() - started
        if learned:
            step += len(learned)
            moments.append(Moment(step, learned_s, success(model, oracle, learned[-1])))
            told(moments[-1])
        if len(learned) < every:
            return moments


def success(model: DiffusionModel, oracle: DemoOracle, values: torch.Tensor) -> float:
    """Return the share of held-out pictures that show a woman."""
    vector = ConceptVector("woman", values, model.fingerprint)
    wanted = [(prompt, seed, 1.0) for prompt in HELD_OUT for seed in range(IMAGES_PER_PROMPT)]
    with picture_maker(model, [vector]) as make:
        readings = oracle.read(make(wanted, SAMPLING))
    return sum(reading.get("gender") == "woman" for reading in readings) / len(readings)


def main(
    scale: Annotated[float, typer.Option(min=0.001, max=1, help="Of the authors' images and steps.")] = 0.25,
    bar: Annotated[float, typer.Option("--success", help="The share of pictures to reach, at most.")] = 0.95,
    seed: int = 0,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="A hundredth of the authors' procedure, seldom measured: does it work?"),
    ] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the result here.")] = None,
) -> None:
    """Learn "woman" both ways and compare the wall time to the same held-out success."""
    ours_every, theirs_every = 5, 250 * scale
    if quick:
        scale, ours_every, theirs_every = 0.01, 50, 25
    console = Console()
    leave_cores_to_engines()
    model = load_model(DEMO_MODEL, device="cpu")

    def told(moment: Moment) -> None:
        console.print(f"  step {moment.step:5d}  {moment.elapsed_s:7.1f} s  success {moment.success:.2f}")

    console.print("our default")
    ours = course(model, our_default(model, seed), ours_every, told)
    console.print(f"the authors' procedure, {scale:g} of its images and steps")
    theirs = course(model, authors_procedure(model, scale, seed), max(1, round(theirs_every)), told)
    reached = min(bar, max(moment.success for moment in theirs))
    our_time, their_time = (
        next((moment.elapsed_s for moment in moments if moment.success >= reached), None)
        for moments in (ours, theirs)
    )
    table = Table("", "to success", "seconds", title=f"Time to {reached:.0%} success on held-out professions")
    table.add_row("authors' procedure", f"{reached:.2f}", f"{their_time:.1f}")
    table.add_row("our default", f"{reached:.2f}", "not reached" if our_time is None else f"{our_time:.1f}")
    table.add_row("our default", "the end", f"{ours[-1].elapsed_s:.1f}")
    console.print(table)
    if our_time is not None and their_time is not None:
        console.print(f"ours takes 1/{their_time / our_time:.1f} of the time")
    if json_path is not None:
        described = {
            "date": date.today().isoformat(),
            "machine": f"{os.cpu_count()} CPU cores ({platform.machine()})",
            "scale": scale,
            "seed": seed,
            "success": reached,
            "ours_s": our_time,
            "authors_s": their_time,
            "ours_whole_run_s": ours[-1].elapsed_s,
            "authors_whole_run_s": theirs[-1].elapsed_s,
            "ours": [vars(moment) for moment in ours],
            "authors": [vars(moment) for moment in theirs],
        }
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
