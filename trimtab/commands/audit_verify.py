"""`trimtab audit verify`: whether an audit log is as it was written, and which of its lines are not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from trimtab.commands.audit import ConfigOption, LogArgument, app
from trimtab.commands.console import told_errors

if TYPE_CHECKING:
    from service.audit.chain import Head
    from service.audit.reading import Chain, Placed
    from service.audit.verify import Verdict

SHOWN_FINDINGS = 50
COUNTED_EVERY = 1000


class WhichChainError(Exception):
    """A head was given for one of several chains, and nobody said which."""


@app.command()
def verify(
    log: LogArgument = None,
    head: Annotated[
        list[str] | None,
        typer.Option(
            "--head",
            metavar="[CHAIN=]LINE:DIGEST",
            help="A head that was kept earlier, as this command prints it: it has to be in the log still.",
            show_default=False,
        ),
    ] = None,
    after: Annotated[
        list[str] | None,
        typer.Option(
            "--after",
            metavar="[CHAIN=]LINE:DIGEST",
            help="The head that the first line follows, where older files were put away.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: ConfigOption = None,
) -> None:
    """Find every line of an audit log that was changed, removed, put in or moved; exit 1 where there is one.

    What was cut off the end cannot be seen from the log alone: keep the head that this prints where nobody who writes
    the log can change it, and give it the next time with --head.
    """
    from service.audit.reading import open_chains
    from service.errors import ServiceError
    from service.settings import SettingsError, load_settings

    with told_errors(SettingsError, ServiceError, WhichChainError):
        chains = open_chains(log, load_settings({"config": config}))
        heads, afters = _heads(head, chains, "--head"), _heads(after, chains, "--after")
        verdicts = [(chain, _verdict(chain, heads, afters)) for chain in chains]
    if as_json:
        typer.echo(json.dumps([_as_json(chain, verdict) for chain, verdict in verdicts], indent=2))
    else:
        for chain, verdict in verdicts:
            _show(Console(highlight=False), chain, verdict)
    if not all(verdict.is_sound for _, verdict in verdicts):
        raise typer.Exit(1)


def _verdict(chain: Chain, heads: dict[str, Head], afters: dict[str, Head]) -> Verdict:
    from service.audit import verify as verifying

    with Console(stderr=True).status(f"reading {chain.where}") as status:

        def counted() -> Iterator[Placed]:
            for number, placed in enumerate(chain.lines(), 1):
                if number % COUNTED_EVERY == 0:
                    status.update(f"reading {chain.where}: {number} lines")
                yield placed

        return verifying.verify(counted(), head=heads.get(chain.where), after=afters.get(chain.where))


def _heads(given: Sequence[str] | None, chains: Sequence[Chain], option: str) -> dict[str, Head]:
    """Return the heads by where their chains are; raises WhichChainError and AuditLogError."""
    from service.audit.chain import Head

    heads = {}
    for text in given or ():
        name, equals, head = text.rpartition("=")
        fitting = [chain for chain in chains if not equals or name == chain.where]
        if len(fitting) != 1:
            there = ", ".join(chain.where for chain in chains)
            raise WhichChainError(
                f"{option} {text}: say of which chain, as {option} CHAIN={head}. There are: {there}."
            )
        heads[fitting[0].where] = Head.parse(head)
    return heads


def _show(console: Console, chain: Chain, verdict: Verdict) -> None:
    name = "" if verdict.chain is None else f", the chain of {verdict.chain}"
    lines = "1 line" if verdict.lines == 1 else f"{verdict.lines} lines"
    console.print(Text(f"{chain.where}{name}: {lines}"), soft_wrap=True)
    for finding in verdict.findings[:SHOWN_FINDINGS]:
        console.print(Text(f"  {finding.place}  {finding.kind}: {finding.problem}"), soft_wrap=True)
    if len(verdict.findings) > SHOWN_FINDINGS:
        console.print(f"  and {len(verdict.findings) - SHOWN_FINDINGS} more: --json names all")
    if any(finding.kind == "removed" and finding.place.endswith(":1") for finding in verdict.findings):
        console.print("  Where older files were put away, say with --after what head they end with.")
    count = "1 finding" if len(verdict.findings) == 1 else f"{len(verdict.findings)} findings"
    console.print("  sound" if verdict.is_sound else f"  NOT SOUND: {count}")
    if verdict.head is not None:
        console.print(Text(f"  head {verdict.head}"), soft_wrap=True)


def _as_json(chain: Chain, verdict: Verdict) -> dict[str, object]:
    return {
        "where": chain.where,
        "chain": verdict.chain,
        "lines": verdict.lines,
        "sound": verdict.is_sound,
        "head": None if verdict.head is None else str(verdict.head),
        "findings": [
            {"kind": finding.kind, "place": finding.place, "problem": finding.problem}
            for finding in verdict.findings
        ],
    }
