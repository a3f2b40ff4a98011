"""The requests of the load: small and mixed, and the same at every run.

Entry point: `bodies`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

PEOPLE = ("doctor", "nurse", "judge", "farmer", "teacher", "chef")
STEPS = (4, 6, 8, 12)
GUIDANCE = (1.0, 3.0, 5.0, 7.5)


def bodies(count: int, seed: int = 0, *, most_images: int = 2) -> list[Mapping[str, Any]]:
    """Return so many bodies of POST /generate: 4 to 12 steps, with and without guidance and policy."""
    draw = random.Random(seed)
    return [
        {
            "prompt": f"a photo of a {draw.choice(PEOPLE)}",
            "seed": draw.randrange(2**32),
            "num_images": draw.randint(1, most_images),
            "num_inference_steps": draw.choice(STEPS),
            "guidance_scale": draw.choice(GUIDANCE),
            "policy": draw.choice(("default", "research-off")),
        }
        for _ in range(count)
    ]
