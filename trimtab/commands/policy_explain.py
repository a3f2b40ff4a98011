"""`trimtab policy explain`: what each image of a prompt would get under a policy, and why, without making it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trimtab.commands.console import hide_loading_bars, told_errors
from trimtab.commands.library import LibraryOption
from trimtab.commands.model_choice import ModelOption
from trimtab.commands.policy import app
from trimtab.commands.policy_choice import ConfigOption, PolicyOption, policy_or_name

if TYPE_CHECKING:
    from service.schemas import ExplainResponse


@app.command()
def explain(
    prompt: Annotated[str, typer.Argument(help="What the images are to show.")],
    policy: PolicyOption = None,
    images: Annotated[int, typer.Option("--images", "-n", min=1, help="How many images.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first image.")] = 0,
    guidance: Annotated[
        float,
        typer.Option(
            min=0, max=50, help="Guidance scale: without any, above 1, negative prompts do nothing."
        ),
    ] = 5.0,
    floor: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="A floor to hold. [default: the configured one]")
    ] = None,
    model: ModelOption = None,
    vectors: LibraryOption = None,
    config: ConfigOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what POST /policies/explain answers.")
    ] = False,
) -> None:
    """Show what each image would get and why, without making it: the service's own way, up to the model.

    The ledger begins empty: what running services have counted is seen by their POST /policies/explain.
    """
    from policies.errors import PolicyError
    from policies.memory_ledger import MemoryLedger
    from service.errors import ServiceError
    from service.generation import Generation
    from service.loading import load_alone
    from service.schemas import GenerateRequest
    from service.settings import SettingsError, load_settings

    hide_loading_bars()
    with told_errors(SettingsError, ServiceError, PolicyError):
        settings = load_settings(
            {"model": model, "vectors": vectors, "config": config, "floor": policy_or_name(floor)}
        )
        request = GenerateRequest(
            prompt=prompt,
            num_images=images,
            seed=seed,
            guidance_scale=guidance,
            policy=policy_or_name(policy),
        )
        generation = Generation(load_alone(settings), settings, MemoryLedger())
        explained = generation.explain(request)
    if as_json:
        typer.echo(explained.model_dump_json(indent=2))
    else:
        _show(Console(highlight=False), explained)


def _show(console: Console, explained: ExplainResponse) -> None:
    policy = explained.policy
    console.print(
        Text(f"policy {policy.name or 'without a name'}, {policy.assignment}, {explained.policy_digest[:19]}")
    )
    if explained.floor_digest is not None:
        console.print(Text(f"on the floor {explained.floor_digest[:19]}"))
    console.print(Text(f"counted as: {explained.group or 'nobody'}"))
    for phrase in explained.phrases:
        console.print(Text(f"phrase: {phrase.reason}"))
    console.print(Text(f"the model reads: {explained.model_prompt!r}"))
    if (screen := explained.screen) is not None:
        looks = f"the {screen.detector} looks for {' and '.join(screen.categories)} content"
        console.print(Text(f"screen: {looks}; where it finds some, {screen.on_finding}"))
    table = Table("image", "concept", "strength", "why", box=SIMPLE_HEAD)
    for image in explained.images:
        rows = [
            *((one.concept, f"{one.strength:.3g}", one.reason) for one in image.steering),
            *((one.concept, f"{one.words!r}", one.reason) for one in image.averted),
            *((one.concept, "-", one.reason) for one in image.skipped),
        ]
        for number, row in enumerate(rows or [("", "-", "the plain model's image")]):
            table.add_row(f"seed {image.seed}" if number == 0 else "", *(Text(cell) for cell in row))
    console.print(table)
