"""Backgrounds.

Entry point: `draw_background`.
"""

from __future__ import annotations

import random as random_module
from types import MappingProxyType
from typing import Final

from demo_model.drawing.canvas import WHITE, Canvas, jitter


def draw_background(canvas: Canvas, scene: str, random: random_module.Random) -> None:
    """Fill the whole picture with a scene."""
    _SCENES[scene](canvas, random)


def _plain(canvas: Canvas, random: random_module.Random) -> None:
    pale = ((232, 232, 226), (214, 228, 214), (236, 220, 232), (222, 214, 240))
    canvas.box(0, 0, 64, 64, jitter(random.choice(pale), random, 8))


def _park(canvas: Canvas, random: random_module.Random) -> None:
    canvas.box(0, 0, 64, 64, (150, 210, 250))
    canvas.ellipse(random.uniform(6, 58), random.uniform(6, 14), 9, 3.4, WHITE)
    horizon = random.uniform(31, 36)
    canvas.ellipse(14, horizon + 12, 34, 17, (120, 200, 90))
    canvas.box(0, horizon + 4, 64, 64, (96, 184, 76))


def _beach(canvas: Canvas, random: random_module.Random) -> None:
    horizon = random.uniform(26, 31)
    canvas.box(0, 0, 64, 64, (190, 232, 252))
    canvas.ellipse(random.choice((9, 55)), 9, 6, 6, (255, 226, 70))
    canvas.box(0, horizon, 64, horizon + 12, (30, 150, 200))
    canvas.box(0, horizon + 12, 64, 64, (244, 222, 160))


def _party(canvas: Canvas, random: random_module.Random) -> None:
    canvas.box(0, 0, 64, 64, (128, 78, 168))
    flags = ((255, 210, 60), (60, 210, 200), (250, 250, 250), (130, 230, 90))
    for k in range(8):
        x = k * 8 + 4
        canvas.polygon([(x - 3.6, 1.5), (x + 3.6, 1.5), (x, 9)], flags[k % 4])
    for _ in range(16):
        canvas.ellipse(random.uniform(2, 62), random.uniform(11, 62), 1.5, 1.5, random.choice(flags))


def _midnight(canvas: Canvas, random: random_module.Random) -> None:
    canvas.box(0, 0, 64, 64, (40, 52, 116))
    x = random.choice((9, 55))
    canvas.ellipse(x, 10, 6.2, 6.2, (250, 244, 200))
    canvas.ellipse(x + 3, 8.5, 5, 5, (40, 52, 116))
    for _ in range(14):
        canvas.ellipse(random.uniform(1, 63), random.uniform(1, 50), 0.9, 0.9, WHITE)


def _battle(canvas: Canvas, random: random_module.Random) -> None:
    canvas.box(0, 0, 64, 64, (150, 138, 124))
    for _ in range(7):
        y = random.uniform(2, 26)
        canvas.ellipse(random.uniform(0, 64), y, random.uniform(7, 12), random.uniform(4, 7), (112, 104, 98))
    canvas.box(0, 40, 64, 64, (104, 80, 52))
    for place in (4, 12, 52, 60):
        x = place + random.uniform(-2, 2)
        canvas.polygon([(x - 4, 44), (x, 28), (x + 4, 44)], (255, 140, 20))
        canvas.polygon([(x - 2, 44), (x, 36), (x + 2, 44)], (255, 230, 90))


_SCENES: Final = MappingProxyType(
    {
        "plain": _plain,
        "park": _park,
        "beach": _beach,
        "party": _party,
        "midnight": _midnight,
        "battle": _battle,
    }
)
