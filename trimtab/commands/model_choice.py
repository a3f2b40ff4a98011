"""The model that a command serves with, and what it runs on, as the settings name them."""

from __future__ import annotations

from typing import Annotated

import typer

ModelOption = Annotated[
    str | None,
    typer.Option(help='A diffusers directory or hub name; "demo" is the embedded model. [default: demo]'),
]
DeviceOption = Annotated[
    str | None, typer.Option(help='"cpu", "cuda" or "cuda:1". [default: auto]', show_default=False)
]
