"""The library of vectors that commands read: its option, a vector's name, opening it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vectors.library import VectorLibrary

NameArgument = Annotated[str, typer.Argument(help="A concept, such as woman, or one version of it: woman@2.")]
LibraryOption = Annotated[
    Path | None,
    typer.Option(
        "--vectors",
        metavar="LIBRARY",
        exists=True,
        file_okay=False,
        help="The library to read. [default: the vectors that come with Trimtab]",
        show_default=False,
    ),
]


def opened_library(root: Path | None) -> VectorLibrary:
    """Return the library at `root`, or the shipped one."""
    from vectors.library import VectorLibrary, shipped_library

    return shipped_library() if root is None else VectorLibrary(root)
