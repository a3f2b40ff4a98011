"""What the commands share: the model they mean, errors told in a line, progress bars."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from diffusion import DiffusionModel

DEMO = "demo"

ModelOption = Annotated[
    str,
    typer.Option(help='A diffusers directory or hub name; "demo" is the embedded model.'),
]
DeviceOption = Annotated[str, typer.Option(help='"auto", "cpu", "cuda" or "cuda:1".')]
DtypeOption = Annotated[str, typer.Option(help='"auto", "float32", "bfloat16" or "float16".')]


@contextmanager
def told_errors(*kinds: type[Exception]) -> Iterator[None]:
    """End the command with an error's message instead of a traceback."""
    try:
        yield
    except kinds as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error


def model_path(model: str) -> str | Path:
    """Return where a model is: the embedded one's directory for "demo", else what was given."""
    from demo_model import pipeline_path

    return pipeline_path() if model == DEMO else model


def is_demo(model: str) -> bool:
    """Whether a model is the embedded one, by its name or by where it is."""
    from demo_model import pipeline_path

    return Path(model_path(model)).resolve() == pipeline_path().resolve()


def open_model(model: str, device: str, dtype: str) -> DiffusionModel:
    """Load a model, saying so while it takes its time; from then on the CPU's cores are for engines."""
    from diffusion import leave_cores_to_engines, load_model

    leave_cores_to_engines()
    hide_loading_bars()
    with Console(stderr=True).status(f"loading {model}"):
        return load_model(model_path(model), device=device, dtype=dtype)


def hide_loading_bars() -> None:
    """Keep diffusers' and transformers' bars off the terminal: loading has one line of ours."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    of_diffusers.disable_progress_bar()
    of_transformers.disable_progress_bar()  # type: ignore[no-untyped-call]


class Bars:
    """Progress bars on the terminal, one for each phase, with the loss where there is one."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._phase = ""
        self._task = self._progress.add_task("", visible=False, note="")

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, phase: str, done: int, total: int, loss: float | None = None) -> None:
        """Show that `done` of `total` is done in a phase; a new phase gets a new bar."""
        if phase != self._phase:
            self._phase = phase
            # A resumed phase begins at what was done before, so that the time left is right.
            self._task = self._progress.add_task(phase, total=total, completed=done, note="")
        self._progress.update(self._task, completed=done, note="" if loss is None else f"loss {loss:.4f}")
