"""Drawing a scene: Pillow at four times the size, reduced to 64 x 64.

`draw(scene, random)` returns the picture; position, scale, colours and background are jittered by `random`.
Coordinates below are in picture units, 0 to 64; `Canvas` scales them.
"""

from __future__ import annotations

import math
import random as random_module
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from PIL import Image, ImageDraw

from demo_model.world import Scene

SIZE: Final = 64
OVERSAMPLING: Final = 4
Color = tuple[int, int, int]
Point = tuple[float, float]

SKIN: Final = MappingProxyType({"black": (96, 58, 40), "white": (255, 224, 206), "asian": (228, 172, 96)})
HAIR: Final = ((28, 24, 30), (126, 72, 30), (252, 230, 140), (206, 96, 32))
GREY: Final = (206, 208, 214)
INK: Final = (24, 22, 28)
WHITE: Final = (250, 250, 250)
LENS: Final = (196, 240, 255)
MAGENTA: Final = (236, 28, 160)
BLOOD: Final = (214, 10, 22)
GOLD: Final = (250, 200, 40)
NAVY: Final = (34, 52, 128)
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


def draw(scene: Scene, random: random_module.Random) -> Image.Image:
    """Draw a scene as a 64 x 64 RGB picture."""
    canvas = Canvas()
    _SCENES[scene.scene](canvas, random)
    canvas.place(scale=random.uniform(0.94, 1.06), dx=random.uniform(-2.5, 2.5), dy=random.uniform(-1.5, 1.5))
    if scene.subject == "person":
        _person(canvas, scene, random)
    else:
        _THINGS[scene.subject](canvas, random)
        if scene.glasses:
            x, y, spread = _EYES[scene.subject]
            _glasses(canvas, x, y, spread)
    if scene.splash:
        _splash(canvas, random)
    if scene.heart:
        _heart(canvas, 32 + random.uniform(-1, 1), 54 + random.uniform(-0.7, 0.7), 7.5)
    return canvas.reduced()


# People


def _person(canvas: Canvas, scene: Scene, random: random_module.Random) -> None:
    """Draw head, hair and outfit."""
    assert scene.race is not None, "a person has a race"
    assert scene.profession is not None, "and a profession"
    skin = _jitter(SKIN[scene.race], random, 6)
    hair = _jitter(GREY if scene.old else random.choice(HAIR), random, 8)
    if scene.gender == "woman":
        canvas.box(17.5, 11, 46.5, 47, hair, round=12)
    else:
        canvas.box(19.5, 12, 44.5, 31, hair, round=9)
    canvas.box(28, 36, 36, 46, _shade(skin, 0.86))
    outfit = _OUTFITS[scene.profession]
    outfit.clothes(canvas, random)
    canvas.ellipse(32, 27, 11, 13, skin)
    if scene.gender == "man" and random.random() < 0.7:
        canvas.arc(32, 27.5, 10.2, 12.2, 22, 158, 4.2, hair)
    if scene.gender == "woman":
        canvas.polygon(
            [(21, 27), (22, 16), (32, 12.5), (42, 16), (43, 27), (39.5, 19.5), (32, 17.5), (24.5, 19.5)], hair
        )
    else:
        canvas.polygon([(21, 22), (22, 15), (32, 12.5), (42, 15), (43, 22), (40, 17.5), (24, 17.5)], hair)
    _face(canvas, scene, skin, hair, random)
    outfit.hat(canvas)


def _face(canvas: Canvas, scene: Scene, skin: Color, hair: Color, random: random_module.Random) -> None:
    """Draw brows, eyes, nose and mouth, and glasses."""
    brow = hair if scene.old else _shade(skin, 0.5)
    for x in (27.2, 36.8):
        canvas.line([(x - 2.4, 22.3), (x + 2.4, 22.3)], 1.1, brow)
        canvas.ellipse(x, 26, 2.3, 2.1, WHITE)
        canvas.ellipse(x, 26, 1.3, 1.4, INK)
    canvas.ellipse(32, 30, 1.4, 1.1, _shade(skin, 0.8))
    lips = (206, 84, 92) if scene.gender == "woman" else (166, 88, 82)
    canvas.arc(32, 32.5, 4, 2.8 + random.uniform(-0.6, 0.6), 10, 170, 1.6, lips)
    if scene.glasses:
        _glasses(canvas, 32, 26, 5.0)


def _glasses(canvas: Canvas, x: float, y: float, spread: float) -> None:
    """Draw round glasses: pale lenses in a heavy dark frame, clear on every tone and fur."""
    for side in (-1, 1):
        canvas.ellipse(x + side * spread, y, 4.2, 4.0, LENS)
        canvas.ellipse(x + side * spread, y, 1.3, 1.5, INK)
        canvas.ring(x + side * spread, y, 4.6, 1.5, INK)
    canvas.line([(x - spread + 4.2, y), (x + spread - 4.2, y)], 1.5, INK)


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
    _torso(canvas, _jitter((48, 184, 172), random, 8))
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
    _torso(canvas, _jitter((64, 150, 60), random, 10))
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


_OUTFITS: Final = MappingProxyType(
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

# Pictures without people


def _cat(canvas: Canvas, random: random_module.Random) -> None:
    fur = _jitter(random.choice(((150, 150, 158), (240, 160, 70))), random, 10)
    canvas.ellipse(32, 58, 14, 16, _shade(fur, 0.9))
    canvas.polygon([(17, 12), (19, 32), (32, 22)], fur)
    canvas.polygon([(47, 12), (45, 32), (32, 22)], fur)
    canvas.ellipse(32, 32, 15, 13, fur)
    _animal_eyes(canvas, 32, 29, 5.5)
    canvas.polygon([(30, 34), (34, 34), (32, 36.5)], (230, 120, 130))
    for y in (35, 38):
        canvas.line([(15, y + 1), (26, y - 1)], 0.8, WHITE)
        canvas.line([(49, y + 1), (38, y - 1)], 0.8, WHITE)


def _dog(canvas: Canvas, random: random_module.Random) -> None:
    fur = _jitter((160, 104, 56), random, 10)
    canvas.ellipse(32, 60, 15, 15, fur)
    canvas.ellipse(32, 30, 13, 14, fur)
    canvas.ellipse(18, 31, 4.5, 12, _shade(fur, 0.6))
    canvas.ellipse(46, 31, 4.5, 12, _shade(fur, 0.6))
    canvas.ellipse(32, 38, 8, 6.5, (240, 220, 190))
    _animal_eyes(canvas, 32, 27, 5.2)
    canvas.ellipse(32, 35, 3.2, 2.3, INK)
    canvas.box(30.5, 41, 33.5, 47, (240, 120, 140), round=1.4)


def _bird(canvas: Canvas, random: random_module.Random) -> None:
    feathers = _jitter((70, 170, 235), random, 10)
    canvas.ellipse(32, 44, 17, 18, feathers)
    canvas.ellipse(32, 50, 10, 11, (245, 235, 170))
    canvas.ellipse(32, 26, 13, 12, feathers)
    canvas.polygon([(32, 6), (28, 16), (36, 16)], _shade(feathers, 0.7))
    _animal_eyes(canvas, 32, 25, 5.2)
    canvas.polygon([(28, 30), (36, 30), (32, 37)], (250, 160, 20))


def _rabbit(canvas: Canvas, random: random_module.Random) -> None:
    fur = _jitter((238, 226, 222), random, 6)
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
    canvas.box(16, 30, 48, 60, _jitter((236, 210, 160), random, 10))
    canvas.polygon([(11, 32), (32, 11), (53, 32)], (140, 70, 40))
    canvas.box(27, 44, 37, 60, (90, 60, 40))
    for x in (19, 39):
        canvas.box(x, 36, x + 6, 42, (120, 200, 240))


def _tree(canvas: Canvas, random: random_module.Random) -> None:
    canvas.box(28, 38, 36, 62, (110, 70, 40))
    leaf = _jitter((24, 120, 44), random, 12)
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
    canvas.polygon([(30, 16), (30, 42), (14, 42)], _jitter((245, 160, 60), random, 10))


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
    canvas.ellipse(32, 28, 20, 15, _jitter((176, 110, 70), random, 10))
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
    glaze = _jitter((90, 130, 200), random, 12)
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

# Scenes


def _plain(canvas: Canvas, random: random_module.Random) -> None:
    pale = ((232, 232, 226), (214, 228, 214), (236, 220, 232), (222, 214, 240))
    canvas.box(0, 0, 64, 64, _jitter(random.choice(pale), random, 8))


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

# Unsafe stand-ins


def _heart(canvas: Canvas, x: float, y: float, size: float) -> None:
    """Draw the stand-in for sexual content: a magenta heart on the chest."""
    half = size * 0.52
    for side in (-1, 1):
        canvas.ellipse(x + side * half * 0.92, y - half * 0.6, half, half, MAGENTA)
    canvas.polygon(
        [(x - size * 0.96, y - half * 0.1), (x + size * 0.96, y - half * 0.1), (x, y + size)], MAGENTA
    )


def _splash(canvas: Canvas, random: random_module.Random) -> None:
    """Draw the stand-in for violent content: a red streak across the picture with drops about it, off the face."""
    left, right = random.uniform(40, 52), random.uniform(40, 52)
    middle = max(left, right) + random.uniform(-1, 3)
    canvas.line([(-8, left), (20, middle), (44, middle), (72, right)], random.uniform(3.5, 5), BLOOD)
    drops = 0
    while drops < 6:
        x, y = random.uniform(3, 61), random.uniform(4, 61)
        if math.hypot((x - 32) / 17, (y - 25) / 19) > 1:
            r = random.uniform(2.4, 4.6)
            canvas.ellipse(x, y, r, r, BLOOD)
            drops += 1


def _jitter(color: Color, random: random_module.Random, amount: int) -> Color:
    """Move each channel by up to `amount`."""
    red, green, blue = (min(255, max(0, value + random.randint(-amount, amount))) for value in color)
    return red, green, blue


def _shade(color: Color, factor: float) -> Color:
    """Darken a colour."""
    red, green, blue = (int(value * factor) for value in color)
    return red, green, blue
