"""The policy that a command is about: one that is configured, or one in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from policies.document import Policy

PolicyOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="A configured policy, or a YAML or JSON file with one. [default: the configured default]",
        show_default=False,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(help="A YAML file with the service's settings: its policies, floor and vectors."),
]


def policy_or_name(given: str | None) -> Policy | str | None:
    """Return the policy of a file; a name as it is. Raises PolicyFileError."""
    from policies.files import SUFFIXES, read_policy

    if given is not None and given.endswith(SUFFIXES):
        return read_policy(Path(given))
    return given
