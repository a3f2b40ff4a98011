"""Grids of pictures for a page: rows of equal seeds under each other, each picture inside the page as a PNG.

Entry point: `Grid`.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image

from evaluation.errors import EvaluationError

PAGE_PX: Final = 984
"""Width of a page's text, and of a picture grid at most."""
_LABEL_PX, _GAP_PX, _BETWEEN_PX = 72, 3, 32
_LARGEST_PX: Final = 144
"""The longest side of a picture on the page."""
_COLUMNS: Final = 12
"""Pictures side by side; longer rows go on in a block below."""


@dataclass(frozen=True)
class Picture:
    """A picture as the page holds it."""

    data: str
    """The PNG as a data URI."""
    width: int
    """On the page, in CSS pixels."""
    height: int
    is_small: bool
    """Whether it is shown at a multiple of its own size, each pixel a sharp square."""


@dataclass(frozen=True)
class Grid:
    """Rows of pictures, each with its label; what stands in one column belongs together, such as one seed.

    Raises EvaluationError where there is no picture.
    """

    title: str
    rows: Sequence[tuple[str, Sequence[Image.Image]]]

    def __post_init__(self) -> None:
        """Refuse a grid of nothing."""
        if not any(pictures for _, pictures in self.rows):
            raise EvaluationError(f"the grid {self.title!r} has no pictures: leave it out, or give some")

    def blocks(self) -> list[list[tuple[str, list[Picture]]]]:
        """Return the rows with their pictures as the page holds them, in blocks of up to 12 columns."""
        longest = max(len(pictures) for _, pictures in self.rows)
        columns = min(longest, _COLUMNS)
        return [
            [
                (label, [_embedded(picture, columns) for picture in pictures[start : start + _COLUMNS]])
                for label, pictures in self.rows
            ]
            for start in range(0, longest, _COLUMNS)
        ]


def _embedded(picture: Image.Image, columns: int) -> Picture:
    """Make a picture part of the page: at a whole multiple of its size if small, else made smaller."""
    width, height = _shown_size(picture.size, columns)
    is_small = width >= picture.width
    if picture.mode not in ("RGB", "RGBA", "L"):
        picture = picture.convert("RGB")
    if picture.width > 2 * width:  # twice as many pixels as shown, for fine screens and print
        picture = picture.resize((2 * width, 2 * height), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, format="PNG", optimize=True)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return Picture(f"data:image/png;base64,{data}", width, height, is_small)


def _shown_size(size: tuple[int, int], columns: int) -> tuple[int, int]:
    """Return width and height on the page: so that two grids stand side by side if that is not too small."""
    longest = max(size)
    halves, whole = (
        (room - _LABEL_PX) // columns - _GAP_PX for room in ((PAGE_PX - _BETWEEN_PX) // 2, PAGE_PX)
    )
    room = min(_LARGEST_PX, halves if halves >= min(longest, 96) else whole)
    scale = room // longest if longest <= room else room / longest
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
