"""`trimtab fingerprint`: which base model this is, and whether it is the one that was meant."""

from __future__ import annotations

from typing import Annotated

import typer

from trimtab.commands.console import DEMO, open_model, told_errors


class OtherModelError(Exception):
    """The model is not the one that was expected."""


def fingerprint(
    model: Annotated[
        str, typer.Argument(help='A diffusers directory or hub name; "demo" is the embedded model.')
    ] = DEMO,
    expect: Annotated[
        str | None,
        typer.Option(
            metavar="sha256:...", help="End with 1 unless the model has this fingerprint. [default: none]"
        ),
    ] = None,
) -> None:
    """Show the fingerprint of a model's weights, which vectors are learned on and served with.

    It is the same however the model is loaded. To be sure of what is served:

    trimtab fingerprint MODEL --expect sha256:...
    """
    from diffusion import DiffusionError
    from vectors.names import is_fingerprint

    if expect is not None and not is_fingerprint(expect):
        raise typer.BadParameter(
            f"{expect!r} is no fingerprint: write sha256: and 64 hexadecimal digits.", param_hint="--expect"
        )
    with told_errors(DiffusionError, OtherModelError):
        # Half the memory of what it is served in on a CPU, and the same fingerprint.
        found = open_model(model, "cpu", "float16").fingerprint
        if expect is not None and found != expect:
            raise OtherModelError(
                f"{model} is {found}, and {expect} was expected. Put the right model there, or expect this one."
            )
    typer.echo(found)
