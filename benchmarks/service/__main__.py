"""What the service does under load, on the way down and with clients that misbehave: one report, part by part.

Every part starts services of its own on the demo model. Exits 1 where a claim does not hold.

    python -m benchmarks.service --json benchmarks/results/service.json
    python -m benchmarks.service --quick --part overload
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import described
from benchmarks.service import (
    clients,
    mutated_files,
    overload,
    rolling,
    schema_fuzz,
    soak,
    startup,
    throughput,
)
from benchmarks.service.part import Part

PARTS: Mapping[str, Callable[[bool], Part]] = {
    "startup": startup.run,
    "throughput": throughput.run,
    "clients": clients.run,
    "overload": overload.run,
    "rolling": rolling.run,
    "schema_fuzz": schema_fuzz.run,
    "mutated_files": mutated_files.run,
    "soak": soak.run,
}


def main(
    quick: Annotated[bool, typer.Option(help="Less of everything: four minutes on two cores.")] = False,
    part: Annotated[
        list[str] | None, typer.Option(help=f"Only this: {', '.join(PARTS)}; may be given again.")
    ] = None,
    json_path: Annotated[
        Path | None,
        typer.Option("--json", help="Write each part's figures here as it ends; those of other parts stay."),
    ] = None,
) -> None:
    """Show each claim, and whether it holds; see the head of this file."""
    # So that what was started is ended, whoever ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    names = part or list(PARTS)
    for name in names:
        if name not in PARTS:
            raise typer.BadParameter(f"There is no part {name!r}. Use {', '.join(PARTS)}.")
    console, shown = Console(), {}
    for name in names:
        console.print(f"{name} ...")
        begin = time.perf_counter()
        shown[name] = PARTS[name](quick)
        console.print(_table(shown[name], time.perf_counter() - begin))
        if json_path is not None:
            _write(json_path, name, described("cpu") | {"quick": quick} | asdict(shown[name]))
    if not all(one.holds for one in shown.values()):
        raise typer.Exit(1)


def _write(path: Path, name: str, figures: Mapping[str, object]) -> None:
    """Write one part's figures into the report, in the order of the parts."""
    report = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    report[name] = figures
    ordered = {part: report[part] for part in PARTS if part in report}
    path.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")


def _table(part: Part, seconds: float) -> Table:
    drawn = Table(
        "figure",
        "value",
        title=f"{'holds' if part.holds else 'DOES NOT HOLD'}: {part.claim}",
        caption=f"{seconds:.0f} s",
        title_justify="left",
    )
    for name, value in part.figures.items():
        drawn.add_row(name, str(value))
    return drawn


if __name__ == "__main__":
    typer.run(main)
