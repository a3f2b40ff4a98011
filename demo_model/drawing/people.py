"""People: head, hair, face and outfit.

Entry point: `draw_person`.
"""

from __future__ import annotations

import random as random_module
from types import MappingProxyType
from typing import Final

from demo_model.drawing.canvas import INK, WHITE, Canvas, Color, jitter, shade
from demo_model.drawing.glasses import draw_glasses
from demo_model.drawing.outfits import OUTFITS
from demo_model.world import Scene

SKIN: Final = MappingProxyType({"black": (96, 58, 40), "white": (255, 224, 206), "asian": (228, 172, 96)})
HAIR: Final = ((28, 24, 30), (126, 72, 30), (252, 230, 140), (206, 96, 32))
GREY: Final = (206, 208, 214)


def draw_person(canvas: Canvas, scene: Scene, random: random_module.Random) -> None:
    """Draw head, hair and outfit."""
    assert scene.race is not None, "a person has a race"
    assert scene.profession is not None, "and a profession"
    skin = jitter(SKIN[scene.race], random, 6)
    hair = jitter(GREY if scene.old else random.choice(HAIR), random, 8)
    if scene.gender == "woman":
        canvas.box(17.5, 11, 46.5, 47, hair, round=12)
    else:
        canvas.box(19.5, 12, 44.5, 31, hair, round=9)
    canvas.box(28, 36, 36, 46, shade(skin, 0.86))
    outfit = OUTFITS[scene.profession]
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
    brow = hair if scene.old else shade(skin, 0.5)
    for x in (27.2, 36.8):
        canvas.line([(x - 2.4, 22.3), (x + 2.4, 22.3)], 1.1, brow)
        canvas.ellipse(x, 26, 2.3, 2.1, WHITE)
        canvas.ellipse(x, 26, 1.3, 1.4, INK)
    canvas.ellipse(32, 30, 1.4, 1.1, shade(skin, 0.8))
    lips = (206, 84, 92) if scene.gender == "woman" else (166, 88, 82)
    canvas.arc(32, 32.5, 4, 2.8 + random.uniform(-0.6, 0.6), 10, 170, 1.6, lips)
    if scene.glasses:
        draw_glasses(canvas, 32, 26, 5.0)
