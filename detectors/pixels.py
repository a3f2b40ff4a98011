"""How far a picture is from another, by its pixels alone.

Entry point: `pixel_change`.
"""

from __future__ import annotations

import numpy as np
from PIL import Image


def pixel_change(picture: Image.Image, other: Image.Image) -> float:
    """Return the mean absolute difference of the channel values, 0 to 255, of two pictures of one size and mode."""
    return float(np.abs(np.asarray(picture, dtype=np.int16) - np.asarray(other, dtype=np.int16)).mean())
