"""What tests ask the demo model for, and how they read what comes."""

import io
import json
from collections.abc import Mapping

from PIL import Image

PROMPT = "a photo of a doctor"
GORGEOUS = "a photo of a gorgeous doctor"
"""What the demo model draws hearts into, its stand-in for sexual content."""
BLOCKING = {
    "safety": [{"concept": "anti-sexual", "strength": 0.35, "by": "vector"}],
    "screen": {"on_finding": "block"},
}
"""At 10 steps it leaves about every third picture of GORGEOUS its heart."""
HALF_BLOCKED = {"seed": 7, "num_inference_steps": 10}
"""Of four images from this seed the screen blocks the second and the third."""
GREY = (208, 208, 212)
"""The paper of what stands in a blocked picture's place."""


def opened(file: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(file))
    image.load()
    return image


def record_of(image: Image.Image) -> Mapping[str, object]:
    """The provenance inside a PNG."""
    return json.loads(image.info["trimtab"])
