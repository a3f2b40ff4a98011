"""`learn-vector`, also `trimtab learn`: learn one concept vector from a pair of prompts."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from trimtab.commands.console import (
    DEMO,
    Bars,
    DeviceOption,
    DtypeOption,
    ModelOption,
    open_model,
    told_errors,
)

if TYPE_CHECKING:
    from diffusion import DiffusionModel
    from learn_vectors import LearnOptions
    from vectors import VectorLibrary


def learn(
    pos: Annotated[
        list[str],
        typer.Option(
            "--pos", help="A prompt that states the concept. May be given several times, with as many --neg."
        ),
    ],
    neg: Annotated[
        list[str] | None,
        typer.Option(
            "--neg", help="The same prompt with the concept left open. Not needed with --negative-prompt."
        ),
    ] = None,
    negative_prompt: Annotated[
        str | None,
        typer.Option(
            help="Learn an anti-concept: what --pos prompts wrongly bring, in a word, such as 'violent'. "
            "The vector then does what this negative prompt would do."
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="The concept's name. [default: from the words that differ]")] = "",
    model: ModelOption = DEMO,
    library: Annotated[
        Path,
        typer.Option(
            help="Where the vector is published. A new library starts with the shipped vectors that fit."
        ),
    ] = Path("library"),
    out: Annotated[
        Path | None, typer.Option(help="The run directory. [default: runs/NAME-TIME]", show_default=False)
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(
            help="'trajectory' (matching guided sampling; quick) or 'paper' (noised images of the model)."
        ),
    ] = "trajectory",
    seed: Annotated[int, typer.Option(min=0, help="The same seed and options give the same vector.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Adam steps. [default: the recipe's]")] = None,
    lr: Annotated[float | None, typer.Option(help="Adam's learning rate. [default: the recipe's]")] = None,
    batch: Annotated[int | None, typer.Option(help="Rows in a step. [default: the recipe's]")] = None,
    images: Annotated[
        int | None, typer.Option(help="Paper recipe: images to learn from. [default: 1000]")
    ] = None,
    timesteps: Annotated[
        tuple[int, int] | None,
        typer.Option(help="Timesteps learned on, start and end. [default: the recipe's]"),
    ] = None,
    apply_timesteps: Annotated[
        tuple[int, int], typer.Option(help="Timesteps at which the vector is applied, start and end.")
    ] = (0, 1000),
    strength: Annotated[float, typer.Option(help="The strength that the vector's file recommends.")] = 1.0,
    eta: Annotated[
        float | None,
        typer.Option(
            help="Anti-concepts: how hard to push away from the negative prompt; 1 is as it does. [default: 1.6]"
        ),
    ] = None,
    guidance: Annotated[
        float | None, typer.Option(help="Guidance of the sampling. [default: the recipe's]")
    ] = None,
    context: Annotated[
        list[str] | None,
        typer.Option(
            help='A noun to put for "person" in the prompts; repeatable. [default: some occupations]'
        ),
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, show what would be done, stop.")
    ] = False,
) -> None:
    """Learn a concept vector: no labels, no data set, the model stays as it is.

    A concept:        learn-vector --pos "a photo of a woman" --neg "a photo of a person"

    An attribute:     learn-vector --pos "a photo of an old person" --neg "a photo of a person" --name old

    An anti-concept:  learn-vector --pos "an angry person" --negative-prompt violent --name anti-violence

    Leaves a run directory (options, statistics, loss plot, before/after pictures, the vector) and publishes the
    vector in a library, from which `trimtab serve --vectors LIBRARY` and `steer` take it.
    """
    from diffusion import DiffusionError
    from learn_vectors import LearningError
    from vectors import VectorError

    with told_errors(DiffusionError, LearningError, VectorError, OSError):
        overrides = {
            "steps": steps,
            "learning_rate": lr,
            "batch": batch,
            "images": images,
            "timesteps": timesteps,
            "eta": eta,
            "guidance_scale": guidance,
        }
        options = _options(
            pos, neg, negative_prompt, name, seed, context, apply_timesteps, strength, recipe, overrides
        )
        loaded = open_model(model, device, dtype)
        _check(loaded, options)
        directory = out or Path("runs") / f"{options.name}-{datetime.now():%Y%m%d-%H%M%S}"
        if dry_run:
            _show_plan(loaded, options, directory, library)
            return
        _run(loaded, options, directory, library)


def _options(
    pos: list[str],
    neg: list[str] | None,
    negative_prompt: str | None,
    name: str,
    seed: int,
    context: list[str] | None,
    apply_timesteps: tuple[int, int],
    strength: float,
    recipe: str,
    overrides: dict[str, Any],
) -> LearnOptions:
    """Put the flags together; a flag that the recipe does not have is refused, not dropped."""
    from learn_vectors import LearnOptions, OptionsError
    from learn_vectors.options import RECIPES

    if recipe not in RECIPES:
        raise OptionsError(f"there is no recipe {recipe!r}: choose {' or '.join(RECIPES)}")
    given = {key: value for key, value in overrides.items() if value is not None}
    foreign = sorted(given.keys() - RECIPES[recipe].__dataclass_fields__.keys())
    if foreign:
        raise OptionsError(
            f"the {recipe} recipe has no {', '.join(foreign)}: leave it out or choose the other recipe"
        )
    options = LearnOptions(
        positive=tuple(pos),
        negative=tuple(neg or ()),
        negative_prompt=negative_prompt,
        name=name,
        apply_timesteps=apply_timesteps,
        strength=strength,
        seed=seed,
        recipe=RECIPES[recipe](**given),
    )
    return replace(options, contexts=tuple(context)) if context else options


def _check(model: DiffusionModel, options: LearnOptions) -> None:
    """Meet every prompt and the site before any work."""
    from learn_vectors.lessons import prompts_of

    for prompt in prompts_of(options):
        model.check_prompt(prompt)
    model.site_shape(*model.default_size, options.site)


def _show_plan(model: DiffusionModel, options: LearnOptions, directory: Path, library: Path) -> None:
    """Show what a run would do."""
    from learn_vectors.lessons import prompts_of

    console = Console()
    console.print(f"model      {model.name} on {model.device}, {model.dtype}")
    console.print(
        f"vector     {options.name}, {' x '.join(map(str, model.site_shape(*model.default_size, options.site)))}"
    )
    console.print(f"would write {directory}/ and publish to {library}/")
    console.print_json(json.dumps(options.resolved()))
    console.print("prompts:")
    for prompt in prompts_of(options):
        console.print(f"  {prompt}", highlight=False)


def _run(model: DiffusionModel, options: LearnOptions, directory: Path, library: Path) -> None:
    """Learn, and say where everything is."""
    from learn_vectors import run_learning

    with Bars() as bars:
        result = run_learning(
            model, options, directory=directory, library=_opened(library, model), progress=bars
        )
    console = Console()
    console.print(
        f"[bold]{result.stored.reference}[/bold]  norm {result.vector.norm:.1f}  {result.vector.digest[:19]}"
    )
    console.print(f"vector       {result.stored.path}")
    console.print(f"pictures     {directory / 'before_after.png'}")
    console.print(f"loss         {directory / 'loss.png'}")
    console.print(f"serve it     trimtab serve --vectors {library}", highlight=False)


def _opened(path: Path, model: DiffusionModel) -> VectorLibrary:
    """Open a library; a new one starts with the shipped vectors of this model, so that policies find them."""
    from vectors import VectorLibrary, shipped_library

    library = VectorLibrary(path)
    if not library.names():
        for stored in shipped_library().list():
            if stored.vector.base_model == model.fingerprint:
                library.publish(stored.vector)
    return library


def main() -> None:
    """Run `learn-vector`."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")
    app.command()(learn)
    app()
