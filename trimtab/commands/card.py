"""`trimtab vectors card`: one page about one vector."""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.commands.console import (
    DEMO,
    Bars,
    DeviceOption,
    DtypeOption,
    ModelOption,
    open_model,
    told_errors,
)
from trimtab.commands.library import LibraryOption, NameArgument, opened_library

if TYPE_CHECKING:
    import torch


def draw_card(
    name: NameArgument,
    vectors: LibraryOption = None,
    model: ModelOption = DEMO,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            dir_okay=False,
            help="The page to write. [default: NAME-VERSION.html]",
            show_default=False,
        ),
    ] = None,
    pictures: Annotated[
        bool,
        typer.Option("--pictures/--no-pictures", help="With pictures, which need the model, or without."),
    ] = True,
    images: Annotated[int, typer.Option(min=1, max=24, help="Pictures in a row.")] = 6,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps of each picture.")] = 20,
    guidance: Annotated[float, typer.Option(help="Guidance scale.")] = 5.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first picture of a row.")] = 0,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
) -> None:
    """Draw a vector's card: one HTML page with pictures, figures, how it was learned, where it applies, limits.

    The page is complete in itself. Its pictures show the vector on prompts it was learned from, on others, and over
    strengths, always with the same seeds.
    """
    from diffusion import DiffusionError, Engine, Sampling
    from evaluation.card import write_card
    from evaluation.card_pictures import make_card_pictures
    from vectors.errors import VectorError

    with told_errors(DiffusionError, VectorError, OSError):
        library = opened_library(vectors)
        stored = library.resolve(name)
        options: dict[str, object] = {"--vectors": vectors, "--out": out}
        facts: dict[str, str] = {}
        path = out or Path(f"{stored.name}-{stored.version}.html")
        path.parent.mkdir(parents=True, exist_ok=True)  # known before the pictures, which take a minute
        drawn = None
        if pictures:
            engine = Engine(open_model(model, device, dtype), library)
            with Bars() as bars:
                drawn = make_card_pictures(
                    engine,
                    stored,
                    sampling=Sampling(steps, guidance),
                    seeds=range(seed, seed + images),
                    progress=bars,
                )
            options |= {
                "--model": model, "--images": images, "--steps": steps, "--guidance": f"{guidance:g}",
                "--seed": seed, "--device": device, "--dtype": dtype,
            }  # fmt: skip
            facts["pictures"] = (
                f"DDIM, {steps} steps, guidance {guidance:g}, seeds {seed} to {seed + images - 1}"
            )
            facts["machine"] = _machine(engine.model.device)
        write_card(
            path,
            stored,
            command=_command(stored.reference, options, [] if pictures else ["--no-pictures"]),
            facts=facts,
            of_demo_model=_is_shipped_model(stored.vector.base_model),
            sets=list(library.sets().values()),
            pictures=drawn,
        )
    typer.echo(f"{stored.reference}  {path}")


def _is_shipped_model(base_model: str) -> bool:
    """Whether a fingerprint is the demo model's, on which all shipped vectors were learned."""
    from vectors.library import shipped_library

    return base_model in {stored.vector.base_model for stored in shipped_library().list()}


def _machine(device: torch.device) -> str:
    import torch

    named = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{os.cpu_count()} CPU cores ({platform.machine()})"
    )
    return f"{named}, torch {torch.__version__}"


def _command(reference: str, options: Mapping[str, object], flags: Sequence[str]) -> str:
    """Return the command that draws the same card again, without what was left to the program."""
    given = [
        part for name, value in options.items() if value not in (None, "auto") for part in (name, str(value))
    ]
    return shlex.join(["trimtab", "vectors", "card", reference, *given, *flags])
