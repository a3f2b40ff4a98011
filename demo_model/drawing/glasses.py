"""Glasses, which people and animals share.

Entry point: `draw_glasses`.
"""

from demo_model.drawing.canvas import INK, LENS, Canvas


def draw_glasses(canvas: Canvas, x: float, y: float, spread: float) -> None:
    """Draw round glasses: pale lenses in a heavy dark frame, clear on every tone and fur."""
    for side in (-1, 1):
        canvas.ellipse(x + side * spread, y, 4.2, 4.0, LENS)
        canvas.ellipse(x + side * spread, y, 1.3, 1.5, INK)
        canvas.ring(x + side * spread, y, 4.6, 1.5, INK)
    canvas.line([(x - spread + 4.2, y), (x + spread - 4.2, y)], 1.5, INK)
