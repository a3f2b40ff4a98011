"""`trimtab demo`: rebuild the embedded model from nothing, and measure it."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from trimtab.commands.console import Bars, DeviceOption, told_errors

app = typer.Typer(no_args_is_help=True, help="Rebuild the embedded demo model from nothing, and measure it.")

OutputOption = Annotated[
    Path,
    typer.Option(
        "--output",
        file_okay=False,
        help="Where pipeline/, oracle/ and CARD.md are: demo_model/ is what is shipped.",
    ),
]
RunOption = Annotated[
    Path,
    typer.Option(
        "--run", file_okay=False, help="The run directory; an interrupted training goes on from it."
    ),
]


@app.command()
def train(
    output: OutputOption = Path("runs/demo/out"),
    run: RunOption = Path("runs/demo"),
    seed: Annotated[int, typer.Option(min=0, help="The one seed that everything follows from.")] = 0,
    device: DeviceOption = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the recipe and stop.")] = False,
) -> None:
    """Draw the world, train oracle, autoencoder and denoiser on it, and write the pipeline.

    About 80 minutes on two CPU cores, a few on a GPU. Ctrl-C loses at most a few minutes: run it again to go on.
    Measure the result with `trimtab demo measure`.
    """
    import torch

    from demo_model.recipe import Recipe
    from demo_model.training import TrainingError
    from demo_model.training import train as train_model

    recipe = replace(Recipe(), seed=seed)
    if dry_run:
        Console().print_json(recipe.to_json())
        return
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    with told_errors(TrainingError, OSError), Bars() as bars:
        figures = train_model(recipe, run=run, output=output, device=torch.device(device), progress=bars)
    (run / "training.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    for name, value in figures.items():
        Console().print(f"{name:32} {value:.4f}")


@app.command()
def measure(
    output: OutputOption = Path("runs/demo/out"),
    run: RunOption = Path("runs/demo"),
    device: DeviceOption = "auto",
) -> None:
    """Make about 4,100 pictures, read them with the oracle, show every figure and write CARD.md.

    Exits 1 where a figure is out of its bounds.
    """
    import torch
    from diffusers import StableDiffusionPipeline

    from demo_model.card import render_card
    from demo_model.figures import measure as measure_model
    from demo_model.oracle import load_oracle
    from demo_model.recipe import Recipe

    with told_errors(OSError):
        recipe = Recipe(**json.loads((run / "recipe.json").read_text(encoding="utf-8")))
        training = json.loads((run / "training.json").read_text(encoding="utf-8"))
        pipeline = StableDiffusionPipeline.from_pretrained(output / "pipeline", use_safetensors=True)
        oracle = load_oracle(output / "oracle" / "oracle.safetensors")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    pipeline.set_progress_bar_config(disable=True)
    with Bars() as bars:
        figures = measure_model(pipeline.to(device), oracle, bars)
    size_mb = sum(path.stat().st_size for path in output.rglob("*.safetensors")) / 1e6
    machine = (
        f"{os.cpu_count()} CPU cores ({platform.machine()})"
        if device == "cpu"
        else torch.cuda.get_device_name()
    )
    card = render_card(recipe, training, figures, machine=machine, day=date.today(), size_mb=size_mb)
    (output / "CARD.md").write_text(card, encoding="utf-8")
    table = Table("share of pictures", "measured", "images", "kept")
    for figure in figures:
        table.add_row(
            figure.name, f"{figure.share:.3f}", str(figure.images), "yes" if figure.kept else "[red]no"
        )
    Console().print(table)
    if not all(figure.kept for figure in figures):
        raise typer.Exit(1)
