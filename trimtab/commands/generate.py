"""`trimtab generate`: images of a prompt under a policy, made here or by a server, and what each was given."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from trimtab.commands.console import told_errors
from trimtab.commands.generate_output import Destination, OutputError, show
from trimtab.commands.generate_progress import StepBar
from trimtab.commands.generate_ways import ServerError, make_by_server, make_here
from trimtab.commands.library import LibraryOption
from trimtab.commands.model_choice import DeviceOption, ModelOption
from trimtab.commands.policy_choice import ConfigOption, PolicyOption, policy_or_name

KEY_VARIABLE = "KEY_FOR_TRIMTAB"
"""Not TRIMTAB_...: those are the service's settings, and one that sets nothing is refused."""


def generate(
    prompt: Annotated[str, typer.Argument(help="What the images are to show.")],
    policy: PolicyOption = None,
    images: Annotated[int, typer.Option("--images", "-n", min=1, help="How many images.")] = 1,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="A .png file: the image, or a labelled grid of several; or a folder for single images.",
        ),
    ] = Path("grid.png"),
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of the first image. [default: drawn]", show_default=False)
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Inference steps.")] = 50,
    guidance: Annotated[float, typer.Option(min=0, max=50, help="Guidance scale.")] = 5.0,
    scheduler: Annotated[str, typer.Option(help="ddim, euler, dpm++-2m, ...")] = "ddim",
    size: Annotated[
        str, typer.Option(metavar="WIDTHxHEIGHT", help="In pixels; auto is the model's own size.")
    ] = "auto",
    negative_prompt: Annotated[str, typer.Option(help="What the images should not show.")] = "",
    url: Annotated[
        str | None, typer.Option(help="A running service, such as http://127.0.0.1:8000. [default: none]")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(envvar=KEY_VARIABLE, help="The key to show to the service.", show_default=False),
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    vectors: LibraryOption = None,
    config: ConfigOption = None,
) -> None:
    """Make images under a policy and show what was applied to each.

    In this process, with the same settings as `trimtab serve`, or with --url by a running service.
    """
    from pydantic import ValidationError

    from diffusion import DiffusionError
    from policies.errors import PolicyError
    from service.errors import ServiceError
    from service.schemas import GenerateRequest
    from service.settings import SettingsError, load_settings
    from service.wire.asked import picture_size
    from vectors import VectorError

    settings = {"model": model, "device": device, "vectors": vectors, "config": config}
    if url is not None and (local := [f"--{name}" for name, value in settings.items() if value is not None]):
        raise typer.BadParameter(f"{', '.join(local)} would mean nothing to a running service: leave it out.")
    with told_errors(
        SettingsError, ServiceError, PolicyError, DiffusionError, VectorError, ServerError, OutputError
    ):
        destination = Destination(out, images)
        width_height = picture_size(size)
        width, height = width_height or (None, None)
        given: dict[str, Any] = {
            "prompt": prompt,
            "negative_prompt": negative_prompt,
            "num_images": images,
            "seed": seed,
            "num_inference_steps": steps,
            "guidance_scale": guidance,
            "scheduler": scheduler,
            "width": width,
            "height": height,
            "policy": policy_or_name(policy),
        }
        try:
            request = GenerateRequest(**given)
        except ValidationError as error:
            problem = error.errors()[0]
            raise OutputError(f"{problem['loc'][0]}: {problem['msg']}.") from error
        with StepBar(images) as bar:
            if url is None:
                made = make_here(request, load_settings(settings), bar)
            else:
                made = make_by_server(request, url, key, bar)
        saved = destination.save(made)
    show(made, saved)
