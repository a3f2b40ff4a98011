"""`trimtab audit`: verify, search and replay the audit log of a service. Each subcommand has a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Verify, search and replay the audit log of a service.")

LogOption = Annotated[
    str | None,
    typer.Option(
        "--log",
        metavar="FILE|FOLDER|redis",
        help="The audit log: its file, a folder of several, or redis. [default: the configured one]",
        show_default=False,
    ),
]
LogArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[FILE|FOLDER|redis]",
        help="The audit log: its file, a folder of several, or redis. [default: the configured one]",
        show_default=False,
    ),
]
ConfigOption = Annotated[
    Path | None, typer.Option(help="A YAML file with the service's settings: its audit_log and redis_url.")
]


@app.callback()
def audit() -> None:
    """Verify, search and replay the audit log of a service."""
