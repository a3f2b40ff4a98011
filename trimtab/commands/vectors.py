"""`trimtab vectors`: look at a library of concept vectors, draw their cards, import, compose and verify them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trimtab.commands.card import draw_card
from trimtab.commands.console import told_errors
from trimtab.commands.library import LibraryOption, NameArgument, opened_library
from trimtab.commands.upload import upload

if TYPE_CHECKING:
    from vectors.library import StoredVector

app = typer.Typer(
    no_args_is_help=True, help="Look at a library of concept vectors, draw cards, import, compose, verify."
)

OutOption = Annotated[
    Path,
    typer.Option(
        metavar="LIBRARY",
        file_okay=False,
        help="The library to publish to; made where it does not exist.",
    ),
]


@contextmanager
def _told_errors() -> Iterator[None]:
    """Tell a library's errors in a line."""
    from vectors.errors import VectorError

    with told_errors(VectorError, OSError):
        yield


@app.command("list")
@_told_errors()
def list_vectors(
    vectors: LibraryOption = None,
    all_versions: Annotated[bool, typer.Option("--all", help="Every version, not only the latest.")] = False,
) -> None:
    """List the library's vectors."""
    library = opened_library(vectors)
    stored = library.list(all_versions=all_versions)
    if stored:
        _print_vectors(stored)
    else:
        typer.echo(f"The library {library.root} is empty: learn, import or compose a vector.")


@app.command("show")
@_told_errors()
def show_vector(
    name: NameArgument,
    vectors: LibraryOption = None,
) -> None:
    """Show all that is known about one vector."""
    stored = opened_library(vectors).resolve(name)
    vector = stored.vector
    table = Table(show_header=False, box=None)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    rows = {
        "vector": stored.reference,
        "file": str(stored.path),
        "digest": stored.digest,
        "base model": vector.base_model,
        "site": vector.site,
        "shape": _shape(stored),
        "norm": f"{vector.norm:.4g}",
        "strength": f"{vector.recommended_strength:g} recommended",
        "halves": vector.halves + (", a map for each" if len(vector.maps) > 1 else ""),
        "timesteps": f"{vector.timesteps[0]} to {vector.timesteps[1]} (end excluded)",
        "prompts y+": _lines(vector.prompts.positive),
        "prompts y-": _lines(vector.prompts.negative),
        "negative prompt": _lines(vector.prompts.negative_prompt),
        "training": _lines(f"{key} = {json.dumps(value)}" for key, value in vector.training.items()),
        "effect": _lines(_effect_lines(vector.effect)),
    }
    for label, value in rows.items():
        table.add_row(label, Text(value or "-"))
    _print(table)


app.command("card")(draw_card)
app.command("upload")(upload)


@app.command("import")
@_told_errors()
def import_vectors(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, help="The torch file published with the InterpretDiffusion code."
        ),
    ],
    out: OutOption,
    concepts: Annotated[
        Path,
        typer.Option(
            exists=True, dir_okay=False, help="The JSON file beside it, which maps names to columns."
        ),
    ],
    base_model: Annotated[
        str,
        typer.Option(
            help="The model they were learned on: a fingerprint (sha256:...), a directory or a hub name."
        ),
    ],
    resolution: Annotated[int, typer.Option(help="Pixels per side the vectors were learned at.")] = 512,
) -> None:
    """Import the vectors published by the method's authors, as new versions under Trimtab's names."""
    from vectors.importers import import_interpret_diffusion
    from vectors.library import VectorLibrary

    fingerprint = _fingerprint(base_model)
    imported = import_interpret_diffusion(file, concepts, base_model=fingerprint, resolution=resolution)
    library = VectorLibrary(out)
    _print_vectors([library.publish(vector) for vector in imported])


@app.command("compose")
@_told_errors()
def compose_vector(
    expression: Annotated[
        str,
        typer.Argument(
            help="A sum such as 'woman + 0.5*with-glasses - asian@2'; a minus needs a space before."
        ),
    ],
    name: Annotated[str, typer.Option(help="The concept to publish the sum as.")],
    out: OutOption,
    vectors: LibraryOption = None,
) -> None:
    """Publish a weighted sum of vectors as a vector of its own."""
    from vectors.concept import combine
    from vectors.expression import parse_sum
    from vectors.library import VectorLibrary

    library = opened_library(vectors)
    terms = [(library.resolve(str(reference)).vector, weight) for reference, weight in parse_sum(expression)]
    _print_vectors([VectorLibrary(out).publish(combine(terms, concept=name))])


@app.command("verify")
@_told_errors()
def verify_library(vectors: LibraryOption = None) -> None:
    """Read every file of the library; fail where one is damaged, altered or out of place."""
    library = opened_library(vectors)
    findings = library.verify()
    problems = [finding for finding in findings if not finding.ok]
    if problems:
        table = Table("File", "Problem", box=SIMPLE_HEAD)
        for finding in problems:
            table.add_row(Text(str(finding.path.relative_to(library.root))), Text(finding.problem or ""))
        _print(table)
        typer.echo(f"{len(problems)} of {len(findings)} files in {library.root} are not sound.", err=True)
        raise typer.Exit(1)
    typer.echo(f"{len(findings)} files in {library.root}: all sound.")


def _fingerprint(base_model: str) -> str:
    from vectors.names import is_fingerprint

    if is_fingerprint(base_model):
        return base_model
    from diffusion import DiffusionError, load_model

    try:
        return load_model(base_model, device="cpu").fingerprint
    except DiffusionError as error:
        raise typer.BadParameter(str(error), param_hint="--base-model") from error


def _print_vectors(stored: Sequence[StoredVector]) -> None:
    from vectors.names import shortened

    # Narrow enough for a terminal of 80 columns; `show` tells the rest.
    table = Table(
        *("Vector", "Shape", "Norm", "Strength", "Timesteps", "Base model"),
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for one in stored:
        vector = one.vector
        table.add_row(
            one.reference,
            _shape(one),
            f"{vector.norm:.4g}",
            f"{vector.recommended_strength:g}",
            f"{vector.timesteps[0]}-{vector.timesteps[1]}",
            shortened(vector.base_model),
        )
    _print(table)


def _print(table: Table) -> None:
    Console(highlight=False).print(table)


def _shape(stored: StoredVector) -> str:
    return "x".join(map(str, stored.vector.shape))


def _effect_lines(effect: Mapping[str, float]) -> Iterator[str]:
    """Tell an effect figure by figure, and those over strengths a line each."""
    from vectors.effect import Effect

    read = Effect.of(effect)
    for figure in read.figures:
        without = "" if figure.unsteered is None else f" ({figure.unsteered:g} without)"
        yield f"{figure.name} = {figure.value:g}{without}"
    for name, points in read.sweeps.items():
        yield f"{name} at " + ", ".join(f"{strength:g}: {value:g}" for strength, value in points)


def _lines(parts: Iterable[str]) -> str:
    return "\n".join(parts)
