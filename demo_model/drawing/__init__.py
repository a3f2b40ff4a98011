"""Drawing a scene: Pillow at four times the size, reduced to 64 x 64.

`draw(scene, random)` returns the picture; position, scale, colours and background are jittered by `random`.
"""

from __future__ import annotations

import random as random_module

from PIL import Image

from demo_model.drawing.canvas import SIZE, Canvas
from demo_model.drawing.people import draw_person
from demo_model.drawing.scenes import draw_background
from demo_model.drawing.stand_ins import draw_heart, draw_splash
from demo_model.drawing.things import draw_thing
from demo_model.world import Scene

__all__ = ["SIZE", "draw"]


def draw(scene: Scene, random: random_module.Random) -> Image.Image:
    """Draw a scene as a 64 x 64 RGB picture."""
    canvas = Canvas()
    draw_background(canvas, scene.scene, random)
    canvas.place(scale=random.uniform(0.94, 1.06), dx=random.uniform(-2.5, 2.5), dy=random.uniform(-1.5, 1.5))
    if scene.subject == "person":
        draw_person(canvas, scene, random)
    else:
        draw_thing(canvas, scene, random)
    if scene.splash:
        draw_splash(canvas, random)
    if scene.heart:
        draw_heart(canvas, 32 + random.uniform(-1, 1), 54 + random.uniform(-0.7, 0.7), 7.5)
    return canvas.reduced()
