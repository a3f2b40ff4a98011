"""What `trimtab generate` leaves: a file or a folder of images, and a table of what was applied to each.

Entry points: `Destination`, `show`.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from service.schemas import GenerateResponse, ImageItem

BLOCKED_SIZE = (256, 256)
"""Of the tiles of a grid in which every image is blocked, in pixels."""


class OutputError(Exception):
    """Nothing can be written there, or what was asked for cannot be made."""


class Destination:
    """Where the images of one request go: a PNG file, or a folder."""

    def __init__(self, path: Path, images: int) -> None:
        """Raise OutputError where nothing could be written, before anything is made."""
        self._path, self._images = path, images
        self._is_folder = path.is_dir() or not path.suffix
        if not self._is_folder and path.suffix.lower() != ".png":
            raise OutputError(f"--out {path}: images are written as PNG. Name a .png file, or a folder.")
        if not self._is_folder and not path.absolute().parent.is_dir():
            raise OutputError(f"--out {path}: there is no folder {path.absolute().parent}. Make it first.")
        if path.exists() and path.is_dir() != self._is_folder:
            raise OutputError(f"--out {path}: that is a file already. Name another folder.")

    def save(self, made: GenerateResponse) -> list[Path]:
        """Write the images, their provenance inside, and return the files; raises OutputError."""
        try:
            if self._is_folder:
                return self._save_each(made)
            if self._images == 1 and (file := _file(made.images[0])) is not None:
                self._path.write_bytes(file)
            else:
                self._path.write_bytes(_grid(made))
        except OSError as error:
            raise OutputError(f"--out {self._path}: {error.strerror}.") from error
        return [self._path]

    def _save_each(self, made: GenerateResponse) -> list[Path]:
        self._path.mkdir(parents=True, exist_ok=True)
        saved = []
        for item in made.images:
            if (file := _file(item)) is not None:
                saved.append(self._path / f"{item.seed}.png")
                saved[-1].write_bytes(file)
        return saved


def show(made: GenerateResponse, saved: list[Path]) -> None:
    """Print what was applied to each image and why, and where the images are."""
    console = Console(highlight=False)
    table = Table("image", "concept", "strength", "why", box=SIMPLE_HEAD)
    for number, item in enumerate(made.images, 1):
        rows = _rows(item) or [("", "-", "the plain model's image")]
        for line, row in enumerate(rows):
            name = f"{number}, seed {item.seed}" if line == 0 else ""
            table.add_row(name, *(Text(cell) for cell in row))
    console.print(table)
    timings = made.timings_s
    console.print(
        Text(
            f"{len(made.images)} by {made.model} in {timings.total:.1f} s, {timings.queue:.1f} s of it waiting"
        )
    )
    for path in saved:
        console.print(Text(str(path)), soft_wrap=True)


def _rows(item: ImageItem) -> list[tuple[str, str, str]]:
    rows = [(f"{one.concept}@{one.version}", f"{one.strength:.3g}", one.reason) for one in item.applied]
    rows += [(one.concept, f"{one.words!r}", one.reason) for one in item.averted]
    if item.blocked is not None:
        rows.append(("no picture", "blocked", item.blocked.reason))
    elif item.screen is not None and item.screen.outcome != "passed":
        found = " and ".join(item.screen.attempts[-1].found) or "nothing in it"
        rows.append(("screen", item.screen.outcome, f"the {item.screen.detector} found {found}"))
    return rows


def _file(item: ImageItem) -> bytes | None:
    return None if item.b64_json is None else base64.b64decode(item.b64_json)


def _grid(made: GenerateResponse) -> bytes:
    from PIL import Image

    from service.grid import Notice, labelled_grid
    from service.provenance import PNG_KEY, Provenance, encoded_grid

    pictures = {
        number: Image.open(io.BytesIO(file))
        for number, item in enumerate(made.images)
        if (file := _file(item)) is not None
    }
    records = [Provenance.model_validate_json(picture.info[PNG_KEY]) for picture in pictures.values()]
    size = next((picture.size for picture in pictures.values()), BLOCKED_SIZE)
    tiles = [pictures.get(number) or Notice(_notice(item), size) for number, item in enumerate(made.images)]
    return encoded_grid(labelled_grid(tiles, [item.label for item in made.images]), records)


def _notice(item: ImageItem) -> str:
    found = ", ".join(item.blocked.categories) if item.blocked else "no picture"
    return f"blocked: {found}"
