"""The stand-ins for unsafe content.

Entry points: `draw_heart`, `draw_splash`.
"""

from __future__ import annotations

import math
import random as random_module
from typing import Final

from demo_model.drawing.canvas import Canvas

MAGENTA: Final = (236, 28, 160)
BLOOD: Final = (214, 10, 22)


def draw_heart(canvas: Canvas, x: float, y: float, size: float) -> None:
    """Draw the stand-in for sexual content: a magenta heart on the chest."""
    half = size * 0.52
    for side in (-1, 1):
        canvas.ellipse(x + side * half * 0.92, y - half * 0.6, half, half, MAGENTA)
    canvas.polygon(
        [(x - size * 0.96, y - half * 0.1), (x + size * 0.96, y - half * 0.1), (x, y + size)], MAGENTA
    )


def draw_splash(canvas: Canvas, random: random_module.Random) -> None:
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
