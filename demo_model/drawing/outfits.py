"""What shows a profession: clothes and hats.

Entry point: `OUTFITS`.
"""

from __future__ import annotations

import random as random_module
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from demo_model.drawing.canvas import INK, SILVER, WHITE, Canvas, Color, jitter

GOLD: Final = (250, 200, 40)
NAVY: Final = (34, 52, 128)


@dataclass(frozen=True)
class Outfit:
    """What shows a profession: clothes drawn under the head, a hat drawn over it."""

    clothes: Callable[[Canvas, random_module.Random], None]
    hat: Callable[[Canvas], None]


def _torso(canvas: Canvas, color: Color) -> None:
    canvas.box(12, 42, 52, 80, color, round=11)


def _shirt(canvas: Canvas, random: random_module.Random) -> None:
    _torso(canvas, random.choice(((70, 150, 220), (150, 110, 200), (90, 170, 90), (235, 150, 150))))
    canvas.polygon([(27, 42), (37, 42), (32, 48)], (60, 60, 70))


def _coat(canvas: Canvas, random: random_module.Random) -> None:
    _torso(canvas, (244, 247, 250))
    canvas.polygon([(26, 42), (38, 42), (32, 58)], (96, 160, 220))
    canvas.line([(24, 42), (24, 54), (28, 58)], 1.8, (60, 70, 90))
    canvas.line([(40, 42), (40, 52)], 1.8, (60, 70, 90))
    canvas.ellipse(40, 54, 2.6, 2.6, (60, 70, 90))


def _head_mirror(canvas: Canvas) -> None:
    canvas.line([(21, 18.5), (43, 18.5)], 2.2, (70, 80, 100))
    canvas.ellipse(32, 16, 5, 5, SILVER)
    canvas.ellipse(32, 16, 2, 2, (90, 100, 120))


def _scrubs(canvas: Canvas, random: random_module.Random) -> None:
    _torso(canvas, jitter((48, 184, 172), random, 8))
    canvas.polygon([(26, 42), (38, 42), (32, 51)], WHITE)


def _nurse_cap(canvas: Canvas) -> None:
    canvas.polygon([(20, 17), (23, 7), (41, 7), (44, 17)], WHITE)
    canvas.box(30.5, 8.2, 33.5, 16, (20, 150, 140))
    canvas.box(28, 10.6, 36, 13.6, (20, 150, 140))


def _turnout_jacket(canvas: Canvas, random: random_module.Random) -> None:
    _torso(canvas, (72, 66, 62))
    canvas.box(12, 49, 52, 52, (216, 236, 40))
    canvas.box(12, 58, 52, 61, (216, 236, 40))


def _fire_helmet(canvas: Canvas) -> None:
    canvas.ellipse(32, 14, 12.5, 9.5, (70, 64, 60))
    canvas.box(16, 16, 48, 20, (70, 64, 60), round=2)
    canvas.polygon([(28, 6), (36, 6), (37, 14), (32, 18), (27, 14)], (216, 236, 40))


def _chef_jacket(canvas: Canvas, random: random_module.Random) -> None:
    _torso(canvas, (246, 244, 238))
    canvas.polygon([(25, 42), (39, 42), (32, 49)], (40, 110, 220))
    for y in (51, 56, 61):
        canvas.ellipse(26, y, 1.5, 1.5, INK)
        canvas.ellipse(38, y, 1.5, 1.5, INK)


def _toque(canvas: Canvas) -> None:
    for x, y in ((24, 7), (32, 4.5), (40, 7)):
        canvas.ellipse(x, y, 6.5, 6, (252, 252, 248))
    canvas.box(22, 8, 42, 18, (252, 252, 248))
    canvas.box(22, 15.5, 42, 18, (206, 206, 210))


def _overalls(canvas: Canvas, random: random_module.Random) -> None:
    _torso(canvas, jitter((64, 150, 60), random, 10))
    canvas.box(21, 51, 43, 80, (52, 84, 160), round=2)
    canvas.line([(22, 42), (24, 53)], 3.4, (52, 84, 160))
    canvas.line([(42, 42), (40, 53)], 3.4, (52, 84, 160))


def _straw_hat(canvas: Canvas) -> None:
    canvas.ellipse(32, 17, 18.5, 4.2, (226, 190, 92))
    canvas.box(22.5, 5, 41.5, 17, (232, 198, 104), round=5)
    canvas.box(22.5, 12.5, 41.5, 15.5, (130, 80, 40))


def _vest(canvas: Canvas, random: random_module.Random) -> None:
    _torso(canvas, (255, 128, 20))
    for x in (20, 40.5):
        canvas.box(x, 42, x + 3.5, 80, SILVER)
    canvas.box(12, 57, 52, 60, SILVER)


def _hard_hat(canvas: Canvas) -> None:
    canvas.ellipse(32, 15.5, 12.5, 9.5, (255, 214, 20))
    canvas.box(17, 15.5, 47, 19, (255, 214, 20), round=1.5)
    canvas.box(30, 5.5, 34, 16, (222, 172, 10))


def _robe(canvas: Canvas, random: random_module.Random) -> None:
    _torso(canvas, (30, 26, 36))
    canvas.polygon([(28, 42), (36, 42), (38, 58), (26, 58)], WHITE)
    canvas.line([(20, 43), (24, 62)], 2.4, (150, 30, 120))
    canvas.line([(44, 43), (40, 62)], 2.4, (150, 30, 120))


def _mortarboard(canvas: Canvas) -> None:
    canvas.box(23, 10, 41, 18, (30, 26, 36), round=2)
    canvas.polygon([(14, 10), (32, 4.5), (50, 10), (32, 15.5)], (30, 26, 36))
    canvas.line([(32, 10), (46, 11.5), (46, 19)], 1.5, GOLD)


def _uniform(canvas: Canvas, random: random_module.Random) -> None:
    _torso(canvas, NAVY)
    canvas.line([(32, 44), (32, 64)], 2.8, (16, 24, 64))
    canvas.ellipse(41.5, 51, 3.4, 3.4, GOLD)


def _peaked_cap(canvas: Canvas) -> None:
    canvas.ellipse(32, 11, 15, 6.5, NAVY)
    canvas.box(20.5, 12, 43.5, 18, (20, 30, 80))
    canvas.ellipse(32, 19, 11.5, 2.4, INK)
    canvas.ellipse(32, 11, 3.2, 3.6, GOLD)


def _no_hat(canvas: Canvas) -> None:
    """Leave the head bare."""


OUTFITS: Final = MappingProxyType(
    {
        "person": Outfit(_shirt, _no_hat),
        "doctor": Outfit(_coat, _head_mirror),
        "nurse": Outfit(_scrubs, _nurse_cap),
        "firefighter": Outfit(_turnout_jacket, _fire_helmet),
        "chef": Outfit(_chef_jacket, _toque),
        "farmer": Outfit(_overalls, _straw_hat),
        "builder": Outfit(_vest, _hard_hat),
        "judge": Outfit(_robe, _mortarboard),
        "police officer": Outfit(_uniform, _peaked_cap),
    }
)
