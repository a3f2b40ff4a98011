"""`trimtab audit query`: the images of an audit log, by when, whose, under which policy and what became of them."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from trimtab.commands.audit import ConfigOption, LogArgument, app
from trimtab.commands.console import told_errors
from trimtab.commands.moments import moment

if TYPE_CHECKING:
    from service.audit.record import ImageEntry
    from service.audit.search import Found

SHOWN = 50
ID_CHARACTERS = 12


@app.command()
def query(
    log: LogArgument = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=moment, metavar="TIME|SPAN", help="From then: 2026-11-21, 2026-11-21T08:00, or 2h, 7d ago."
        ),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(parser=moment, metavar="TIME|SPAN", help="Before then.")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose.")] = None,
    concept: Annotated[
        str | None, typer.Option(help="With this concept added, or its words averted.")
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(metavar="NAME|DIGEST", help="Under this policy or floor; a digest's beginning will do."),
    ] = None,
    request: Annotated[
        str | None, typer.Option(metavar="ID", help="Of this request or job; an id's beginning will do.")
    ] = None,
    screen: Annotated[
        str | None,
        typer.Option(metavar="OUTCOME", help="passed, retried, flagged, blocked, or none: nobody looked."),
    ] = None,
    outcome: Annotated[str | None, typer.Option(metavar="OUTCOME", help="served or withheld.")] = None,
    image: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="This picture, by its pixels: a PNG or lossless WebP, as it was served."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show the latest so many; JSON has all.")] = SHOWN,
    all_lines: Annotated[
        bool, typer.Option("--all", help="Also lines of a job's earlier tries, which nobody got.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the lines as JSON.")] = False,
    config: ConfigOption = None,
) -> None:
    """List the images of an audit log, oldest first. It trusts what it reads: 'trimtab audit verify' does not."""
    from service.audit.reading import open_chains
    from service.audit.search import Wanted, search
    from service.errors import ServiceError
    from service.inspecting import inspect_file
    from service.settings import SettingsError, load_settings

    _check(screen, ("passed", "retried", "flagged", "blocked", "none"), "--screen")
    _check(outcome, ("served", "withheld"), "--outcome")
    with told_errors(SettingsError, ServiceError):
        chains = open_chains(log, load_settings({"config": config}))
        wanted = Wanted(
            since=since,
            until=until,
            tenant=tenant,
            concept=concept,
            policy=policy,
            request=request,
            screen=screen,
            outcome=outcome,
            image_digest=None if image is None else inspect_file(image).image_digest,
        )
        with Console(stderr=True).status("reading the audit log"):
            found = search(chains, wanted)
    listed = [*found.images, *(found.superseded if all_lines else ())]
    entries = sorted(listed, key=lambda entry: (entry.time, entry.request, entry.image, entry.attempt))
    if as_json:
        typer.echo(json.dumps([entry.model_dump(mode="json") for entry in entries], indent=2))
    else:
        _show(Console(highlight=False), entries, found, limit)


def _check(given: str | None, known: tuple[str, ...], option: str) -> None:
    if given is not None and given not in known:
        raise typer.BadParameter(f"{option} {given}: there are {', '.join(known)}.")


def _show(console: Console, entries: list[ImageEntry], found: Found, limit: int) -> None:
    # Ids are to be copied: what is too wide breaks elsewhere.
    width = ID_CHARACTERS + 3
    table = Table(
        Column("id", no_wrap=True, min_width=width),
        "time (UTC)",
        "tenant",
        "prompt",
        "policy",
        "vectors",
        "seed",
        "outcome",
        box=SIMPLE_HEAD,
    )
    for entry in entries[-limit:]:
        table.add_row(
            f"{entry.request[:ID_CHARACTERS]}:{entry.image}",
            f"{entry.time:%Y-%m-%d %H:%M:%S}",
            Text(entry.tenant or "-"),
            Text(_prompt(entry)),
            Text(entry.policy or entry.policy_digest[:19]),
            Text(", ".join(f"{one.reference} {one.strength:.3g}" for one in entry.applied) or "-"),
            str(entry.sampling.seed),
            Text(_outcome(entry)),
        )
    if entries:
        console.print(table)
    count = "1 image" if len(entries) == 1 else f"{len(entries)} images"
    console.print(count if len(entries) <= limit else f"the latest {limit} of {count}")
    for gap in found.gaps:
        since = "" if gap.since is None else f" from {gap.since:%Y-%m-%d %H:%M:%S}"
        console.print(
            Text(
                f"no log{since} until {gap.time:%Y-%m-%d %H:%M:%S} ({gap.reason}), "
                f"{gap.unrecorded_images} images made meanwhile"
            ),
            soft_wrap=True,
        )
    if found.unread:
        console.print(f"{found.unread} lines cannot be read: see 'trimtab audit verify'")


def _prompt(entry: ImageEntry) -> str:
    said = entry.prompts.prompt
    if said.text is not None:
        return said.text if len(said.text) <= 60 else f"{said.text[:59]}…"
    return "not kept" if said.digest is None else said.digest[:19]


def _outcome(entry: ImageEntry) -> str:
    if entry.screen is None:
        return entry.outcome
    found = "+".join(entry.screen.attempts[-1].found)
    return f"{entry.outcome}, {entry.screen.outcome}{f' {found}' if found else ''}"
