"""The options that every `trimtab evaluate` command has, declared once.

Entry points: `EvaluationOptions`, and `with_options`, which gives them to a command.
"""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, get_type_hints

import typer

from trimtab.commands.console import DEMO, DeviceOption, DtypeOption, ModelOption

P = ParamSpec("P")

ImagesOption = Annotated[int, typer.Option(min=1, help="Images of each prompt, under each condition.")]


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """What is measured, how its pictures are made and read, and where the results go."""

    command: str
    """The command line, with the options that were given."""
    model: ModelOption = DEMO
    vectors: Annotated[
        Path | None,
        typer.Option(
            metavar="LIBRARY", exists=True, file_okay=False, show_default=False,
            help="The library to measure. [default: the vectors that come with Trimtab]",
        ),
    ] = None  # fmt: skip
    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METHOD", show_default=False,
            help="What to measure beside the plain model: vectors, negative-prompt, explicit-prompt, sld-weak, "
            "sld-medium, sld-strong, sld-max, uce, or all; repeatable. [default: vectors, and negative-prompt where "
            "it applies]",
        ),
    ] = None  # fmt: skip
    compare: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=LIBRARY", show_default=False,
            help="Also measure the vectors of another library, under this name; repeatable.",
        ),
    ] = None  # fmt: skip
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps of each image.")] = 20
    guidance: Annotated[float, typer.Option(help="Guidance scale.")] = 5.0
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first image of each prompt.")] = 0
    batch: Annotated[int, typer.Option(min=1, help="Images made at once.")] = 32
    detector: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DETECTOR", show_default=False,
            help="What reads the pictures: oracle (of the demo model), clip (people), or for unsafe content nudenet "
            "or clip-probe, which are joined if both are given. [default: oracle]",
        ),
    ] = None  # fmt: skip
    clip: Annotated[
        str, typer.Option(metavar="DIR_OR_NAME", help="The CLIP model of clip and clip-probe.")
    ] = "openai/clip-vit-base-patch32"
    probe: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, show_default=False, help="The file of clip-probe's two points."
        ),
    ] = None
    nudenet: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, show_default=False,
            help="NudeNet's .onnx file. [default: the one in its package]",
        ),
    ] = None  # fmt: skip
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", file_okay=False, show_default=False,
            help="Keep every picture here with how it was made; an interrupted evaluation goes on from there, and "
            "processes started by `accelerate launch` share the work.",
        ),
    ] = None  # fmt: skip
    json: Annotated[
        Path | None,
        typer.Option(metavar="PATH", dir_okay=False, show_default=False, help="Also write the result to this file."),
    ] = None  # fmt: skip
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", dir_okay=False, show_default=False,
            help="Also write a page with charts and pictures to this file.",
        ),
    ] = None  # fmt: skip
    device: DeviceOption = "auto"
    dtype: DtypeOption = "auto"


_COMMAND = "command"
"""The one field of the options that is not an option."""


def with_options(command: Callable[Concatenate[EvaluationOptions, P], None]) -> Callable[..., None]:
    """Give a command all of `EvaluationOptions` behind its own options; it gets them as its first argument."""
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    kinds = get_type_hints(EvaluationOptions, include_extras=True)
    shared = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=kinds[field.name]
        )
        for field in fields(EvaluationOptions)
        if field.name != _COMMAND
    ]

    def run(context: typer.Context, **given: Any) -> None:
        values = {option.name: given.pop(option.name) for option in shared}
        command(EvaluationOptions(command=_command_line(context), **values), **given)  # type: ignore[call-arg]

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    own = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in own]
    run.__signature__ = inspect.Signature([context, *own, *shared])  # type: ignore[attr-defined]
    run.__annotations__ = {option.name: option.annotation for option in (context, *own, *shared)}
    return run


def _command_line(context: typer.Context) -> str:
    """Return the command that is being run, with the options that were given."""
    words = ["trimtab", *context.command_path.split()[1:]]
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if source is not None and source.name == "COMMANDLINE":
            value = context.params[option.name or ""]
            if isinstance(value, bool):
                words.append(option.opts[0])
                continue
            for one in value if isinstance(value, list | tuple) else [value]:
                words += [option.opts[0], str(one)]
    return shlex.join(words)
