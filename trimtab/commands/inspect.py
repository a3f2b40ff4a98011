"""`trimtab inspect`: what an image file says of where it comes from, and whether its C2PA manifest holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trimtab.commands.console import told_errors

if TYPE_CHECKING:
    from service.inspecting import Inspected
    from service.provenance import Provenance
    from service.read_credentials import FoundCredentials

_STATES = {
    "trusted": "as it was signed, by an issuer that is trusted",
    "valid": "as it was signed; whether its issuer is to be trusted is yours to say (--trust ISSUERS.pem)",
    "invalid": "NOT as it was signed",
    "unread": "there, and not verified: install c2pa-python with pip install 'trimtab[c2pa]'",
}


def inspect(
    file: Annotated[Path, typer.Argument(help="A PNG, JPEG or WebP, of one image or a grid of several.")],
    trust: Annotated[
        Path | None,
        typer.Option(metavar="ISSUERS.pem", help="Certificates whose signatures to trust. [default: none]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which model made a picture, with which vectors under which policy, and its C2PA manifest.

    Nothing is fetched from anywhere, and no model is loaded.
    """
    from service.errors import ServiceError
    from service.inspecting import inspect_file

    with told_errors(ServiceError):
        inspected = inspect_file(file, trust)
    if as_json:
        typer.echo(inspected.model_dump_json(indent=2))
    else:
        _show(Console(highlight=False), file, inspected)


def _show(console: Console, file: Path, inspected: Inspected) -> None:
    what = "a grid of " if len(inspected.images) > 1 else ""
    count = f"{len(inspected.images)} images, " if len(inspected.images) > 1 else ""
    console.print(
        Text(f"{file}: {what}{count}{inspected.format}, {inspected.width} x {inspected.height} pixels")
    )
    for number, record in enumerate(inspected.images, 1):
        if len(inspected.images) > 1:
            console.print(Text(f"\nimage {number} of {len(inspected.images)}"))
        _show_record(console, record)
    if not inspected.images:
        console.print(
            "\nThere is no record of Trimtab's in it. Either Trimtab did not make it, or its metadata was taken out: "
            "most editors, messengers and web sites do that."
        )
        console.print(
            Text(
                f"An audit log finds it by its pixels, where none was changed:\n  trimtab audit query --image {file}"
            ),
            soft_wrap=True,
        )
    _show_credentials(console, inspected.credentials)


def _show_record(console: Console, record: Provenance) -> None:
    about = Table(box=None, show_header=False, pad_edge=False)
    about.add_column(no_wrap=True)
    about.add_column(overflow="fold")
    policy = record.policy or "one that stood in the request"
    version = f" version {record.policy_version}" if record.policy_version is not None else ""
    rows = [
        ("made by", f"{record.generator}, {record.model} ({record.base_model[:19]})"),
        (
            "sampling",
            f"seed {record.seed}, {record.num_inference_steps} steps of {record.scheduler}, guidance "
            f"{record.guidance_scale:g}, {record.width} x {record.height}",
        ),
        ("policy", f"{policy}{version} ({record.policy_digest[:19]})"),
    ]
    if record.floor_digest is not None:
        rows.append(("floor", f"{record.floor or 'without a name'} ({record.floor_digest[:19]})"))
    rows.append(("prompt", "not said" if record.prompt is None else repr(record.prompt)))
    if record.negative_prompt:
        rows.append(("negative prompt", repr(record.negative_prompt)))
    if (screen := record.screen) is not None:
        found = ", ".join(screen.attempts[-1].found) or "nothing"
        rows.append(("screen", f"{screen.outcome}: the {screen.detector} found {found}"))
    for name, value in rows:
        about.add_row(name, Text(value))
    console.print(about)
    table = Table("vector", "strength", "why", "digest", box=SIMPLE_HEAD)
    for one in record.applied:
        table.add_row(
            f"{one.concept}@{one.version}", f"{one.strength:.3g}", Text(one.reason), one.digest[:19]
        )
    for averted in record.averted:
        table.add_row(f"not {averted.concept}", "-", Text(averted.reason), Text(repr(averted.words)))
    if table.row_count:
        console.print(table)
    else:
        console.print("vectors          none: the plain model's image")


def _show_credentials(console: Console, found: FoundCredentials | None) -> None:
    if found is None:
        console.print("\nC2PA             no manifest")
        return
    console.print(Text(f"\nC2PA             {_STATES[found.state]}"), soft_wrap=True)
    for problem in found.problems:
        console.print(Text(f"                 {problem}"), soft_wrap=True)
    if found.signed_by or found.issuer:
        who = found.signed_by or "a certificate without a name"
        console.print(
            Text(f"  signed by      {who}, organisation {found.issuer or 'not said'} ({found.algorithm})")
        )
    if found.generator:
        console.print(Text(f"  claim of       {found.generator}"))
    for action, source in zip(found.actions, found.digital_source_types, strict=False):
        console.print(Text(f"  says           {action}, {source.rpartition('/')[2]}"))
    if found.assertions:
        console.print(Text(f"  assertions     {', '.join(found.assertions)}"))
