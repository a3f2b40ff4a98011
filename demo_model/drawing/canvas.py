"""The canvas: Pillow at four times the size, in picture units from 0 to 64, and the colours used everywhere.

Entry point: `Canvas`.
"""

from __future__ import annotations

import random as random_module
from collections.abc import Sequence
from typing import Final, TypeAlias

from PIL import Image, ImageDraw

SIZE: Final = 64
OVERSAMPLING: Final = 4
Color: TypeAlias = tuple[int, int, int]
Point: TypeAlias = tuple[float, float]

INK: Final = (24, 22, 28)
WHITE: Final = (250, 250, 250)
LENS: Final = (196, 240, 255)
SILVER: Final = (190, 198, 208)


class Canvas:
    """A Pillow canvas in picture units, shifted and scaled about its centre."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (SIZE * OVERSAMPLING, SIZE * OVERSAMPLING))
        self._draw = ImageDraw.Draw(self.image)
        self._scale, self._dx, self._dy = 1.0, 0.0, 0.0

    def place(self, *, scale: float, dx: float, dy: float) -> None:
        """From here on, scale about (32, 40) and shift by (dx, dy)."""
        self._scale, self._dx, self._dy = scale, dx, dy

    def _at(self, x: float, y: float) -> Point:
        x = (x - 32) * self._scale + 32 + self._dx
        y = (y - 40) * self._scale + 40 + self._dy
        return x * OVERSAMPLING, y * OVERSAMPLING

    def _width(self, width: float) -> int:
        return max(1, round(width * self._scale * OVERSAMPLING))

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Color) -> None:
        """Fill an ellipse about (x, y)."""
        self._draw.ellipse((*self._at(x - rx, y - ry), *self._at(x + rx, y + ry)), fill=fill)

    def ring(self, x: float, y: float, r: float, width: float, color: Color) -> None:
        """Draw a circle's outline."""
        box = (*self._at(x - r, y - r), *self._at(x + r, y + r))
        self._draw.ellipse(box, outline=color, width=self._width(width))

    def arc(
        self, x: float, y: float, rx: float, ry: float, start: float, end: float, width: float, color: Color
    ) -> None:
        """Draw an elliptic arc between two angles in degrees, clockwise from three o'clock."""
        box = (*self._at(x - rx, y - ry), *self._at(x + rx, y + ry))
        self._draw.arc(box, start, end, fill=color, width=self._width(width))

    def box(
        self, left: float, top: float, right: float, bottom: float, fill: Color, round: float = 0
    ) -> None:
        """Fill a rectangle, its corners rounded by `round` units."""
        corners = (*self._at(left, top), *self._at(right, bottom))
        self._draw.rounded_rectangle(corners, radius=round * self._scale * OVERSAMPLING, fill=fill)

    def polygon(self, points: Sequence[Point], fill: Color) -> None:
        """Fill a polygon."""
        self._draw.polygon([self._at(*point) for point in points], fill=fill)

    def line(self, points: Sequence[Point], width: float, color: Color) -> None:
        """Draw a line through the points."""
        self._draw.line(
            [self._at(*point) for point in points], fill=color, width=self._width(width), joint="curve"
        )

    def reduced(self) -> Image.Image:
        """Return the picture at its final size."""
        return self.image.reduce(OVERSAMPLING)


def jitter(color: Color, random: random_module.Random, amount: int) -> Color:
    """Move each channel by up to `amount`."""
    red, green, blue = (min(255, max(0, value + random.randint(-amount, amount))) for value in color)
    return red, green, blue


def shade(color: Color, factor: float) -> Color:
    """Darken a colour."""
    red, green, blue = (int(value * factor) for value in color)
    return red, green, blue
