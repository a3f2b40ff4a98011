"""Pictures without people: animals and objects.

Entry point: `draw_thing`.
"""

from __future__ import annotations

import math
import random as random_module
from types import MappingProxyType
from typing import Final

from demo_model.drawing.canvas import INK, LENS, SILVER, WHITE, Canvas, jitter, shade
from demo_model.drawing.glasses import draw_glasses
from demo_model.world import Scene


def draw_thing(canvas: Canvas, scene: Scene, random: random_module.Random) -> None:
    """Draw a scene's animal or object; an animal may wear glasses."""
    _THINGS[scene.subject](canvas, random)
    if scene.glasses:
        x, y, spread = _EYES[scene.subject]
        draw_glasses(canvas, x, y, spread)


def _cat(canvas: Canvas, random: random_module.Random) -> None:
    fur = jitter(random.choice(((150, 150, 158), (240, 160, 70))), random, 10)
    canvas.ellipse(32, 58, 14, 16, shade(fur, 0.9))
    canvas.polygon([(17, 12), (19, 32), (32, 22)], fur)
    canvas.polygon([(47, 12), (45, 32), (32, 22)], fur)
    canvas.ellipse(32, 32, 15, 13, fur)
    _animal_eyes(canvas, 32, 29, 5.5)
    canvas.polygon([(30, 34), (34, 34), (32, 36.5)], (230, 120, 130))
    for y in (35, 38):
        canvas.line([(15, y + 1), (26, y - 1)], 0.8, WHITE)
        canvas.line([(49, y + 1), (38, y - 1)], 0.8, WHITE)


def _dog(canvas: Canvas, random: random_module.Random) -> None:
    fur = jitter((160, 104, 56), random, 10)
    canvas.ellipse(32, 60, 15, 15, fur)
    canvas.ellipse(32, 30, 13, 14, fur)
    canvas.ellipse(18, 31, 4.5, 12, shade(fur, 0.6))
    canvas.ellipse(46, 31, 4.5, 12, shade(fur, 0.6))
    canvas.ellipse(32, 38, 8, 6.5, (240, 220, 190))
    _animal_eyes(canvas, 32, 27, 5.2)
    canvas.ellipse(32, 35, 3.2, 2.3, INK)
    canvas.box(30.5, 41, 33.5, 47, (240, 120, 140), round=1.4)


def _bird(canvas: Canvas, random: random_module.Random) -> None:
    feathers = jitter((70, 170, 235), random, 10)
    canvas.ellipse(32, 44, 17, 18, feathers)
    canvas.ellipse(32, 50, 10, 11, (245, 235, 170))
    canvas.ellipse(32, 26, 13, 12, feathers)
    canvas.polygon([(32, 6), (28, 16), (36, 16)], shade(feathers, 0.7))
    _animal_eyes(canvas, 32, 25, 5.2)
    canvas.polygon([(28, 30), (36, 30), (32, 37)], (250, 160, 20))


def _rabbit(canvas: Canvas, random: random_module.Random) -> None:
    fur = jitter((238, 226, 222), random, 6)
    for x in (25, 39):
        canvas.ellipse(x, 13, 4.2, 12, fur)
        canvas.ellipse(x, 14, 2, 9, (240, 170, 180))
    canvas.ellipse(32, 59, 14, 14, fur)
    canvas.ellipse(32, 33, 13, 12.5, fur)
    _animal_eyes(canvas, 32, 31, 5.2)
    canvas.ellipse(32, 37, 2, 1.4, (230, 120, 130))
    canvas.box(29.8, 40, 34.2, 45, WHITE)


def _animal_eyes(canvas: Canvas, x: float, y: float, spread: float) -> None:
    for side in (-1, 1):
        canvas.ellipse(x + side * spread, y, 2.5, 2.6, WHITE)
        canvas.ellipse(x + side * spread, y, 1.6, 1.9, INK)


def _house(canvas: Canvas, random: random_module.Random) -> None:
    canvas.box(16, 30, 48, 60, jitter((236, 210, 160), random, 10))
    canvas.polygon([(11, 32), (32, 11), (53, 32)], (140, 70, 40))
    canvas.box(27, 44, 37, 60, (90, 60, 40))
    for x in (19, 39):
        canvas.box(x, 36, x + 6, 42, (120, 200, 240))


def _tree(canvas: Canvas, random: random_module.Random) -> None:
    canvas.box(28, 38, 36, 62, (110, 70, 40))
    leaf = jitter((24, 120, 44), random, 12)
    for x, y, r in ((32, 20, 12), (22, 30, 10), (42, 30, 10)):
        canvas.ellipse(x, y, r, r, leaf)


def _car(canvas: Canvas, random: random_module.Random) -> None:
    paint = random.choice(((40, 150, 110), (70, 90, 210), (245, 190, 40)))
    canvas.box(18, 26, 46, 44, paint, round=6)
    canvas.box(7, 36, 57, 51, paint, round=5)
    canvas.box(21, 29, 31, 38, LENS, round=2)
    canvas.box(34, 29, 44, 38, LENS, round=2)
    for x in (18, 46):
        canvas.ellipse(x, 51, 6, 6, INK)
        canvas.ellipse(x, 51, 2.5, 2.5, SILVER)


def _boat(canvas: Canvas, random: random_module.Random) -> None:
    canvas.polygon([(8, 46), (56, 46), (48, 58), (16, 58)], (130, 76, 40))
    canvas.line([(32, 10), (32, 46)], 1.8, (90, 60, 40))
    canvas.polygon([(34, 11), (34, 42), (53, 42)], (250, 248, 240))
    canvas.polygon([(30, 16), (30, 42), (14, 42)], jitter((245, 160, 60), random, 10))


def _flower(canvas: Canvas, random: random_module.Random) -> None:
    canvas.line([(32, 32), (32, 62)], 2.6, (50, 140, 50))
    canvas.ellipse(38, 50, 6, 2.8, (50, 140, 50))
    petal = random.choice(((150, 100, 230), (250, 170, 60), (110, 150, 250)))
    for k in range(6):
        angle = k * math.pi / 3
        canvas.ellipse(32 + 9 * math.cos(angle), 25 + 9 * math.sin(angle), 6.4, 6.4, petal)
    canvas.ellipse(32, 25, 6, 6, (250, 225, 80))


def _mushroom(canvas: Canvas, random: random_module.Random) -> None:
    canvas.box(25, 34, 39, 60, (244, 232, 210), round=5)
    canvas.ellipse(32, 28, 20, 15, jitter((176, 110, 70), random, 10))
    canvas.box(10, 31, 54, 36, (244, 232, 210), round=2)
    for x, y in ((23, 23), (34, 18), (42, 26)):
        canvas.ellipse(x, y, 3, 3, WHITE)


def _balloon(canvas: Canvas, random: random_module.Random) -> None:
    skin = random.choice(((60, 140, 250), (250, 150, 30), (130, 80, 220)))
    canvas.line([(32, 44), (30, 52), (34, 62)], 1.0, INK)
    canvas.polygon([(29, 46), (35, 46), (32, 41)], skin)
    canvas.ellipse(32, 25, 15, 18, skin)
    canvas.ellipse(26, 18, 3, 5, WHITE)


def _cup(canvas: Canvas, random: random_module.Random) -> None:
    glaze = jitter((90, 130, 200), random, 12)
    canvas.ring(46, 42, 8, 3, glaze)
    canvas.box(16, 28, 44, 58, glaze, round=6)
    canvas.ellipse(30, 29, 14, 4, (90, 55, 30))
    for x in (24, 34):
        canvas.line([(x, 23), (x + 2, 18), (x, 13)], 1.4, WHITE)


_THINGS: Final = MappingProxyType(
    {
        "cat": _cat,
        "dog": _dog,
        "bird": _bird,
        "rabbit": _rabbit,
        "house": _house,
        "tree": _tree,
        "car": _car,
        "boat": _boat,
        "flower": _flower,
        "mushroom": _mushroom,
        "balloon": _balloon,
        "cup": _cup,
    }
)
_EYES: Final = MappingProxyType(
    {"cat": (32, 29, 5.5), "dog": (32, 27, 5.2), "bird": (32, 25, 5.2), "rabbit": (32, 31, 5.2)}
)
