"""The requests of the load: mixed, and the same at every run.

Entry point: `bodies`, of `FEW_STEPS` or of `USUAL_STEPS`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

PEOPLE = ("doctor", "nurse", "judge", "farmer", "teacher", "chef")
FEW_STEPS = (2, 4, 6, 8)
USUAL_STEPS = (10, 20, 30, 50)
"""Those of `benchmarks.engine`."""
SAMPLED = (
    {"guidance_scale": 1.0, "policy": "research-off"},
    {"guidance_scale": 3.0, "policy": "default"},
    {"guidance_scale": 5.0, "policy": "default"},
    {"guidance_scale": 7.5, "policy": "research-off"},
)
"""Without guidance the default policy could not act."""


def bodies(
    count: int, seed: int = 0, *, most_images: int = 2, steps: Sequence[int] = FEW_STEPS
) -> list[Mapping[str, Any]]:
    """Return so many bodies of POST /generate: with mixed steps, with and without guidance and policy."""
    draw = random.Random(seed)
    return [
        {
            "prompt": f"a photo of a {draw.choice(PEOPLE)}",
            "seed": draw.randrange(2**32),
            "num_images": draw.randint(1, most_images),
            "num_inference_steps": draw.choice(steps),
            **draw.choice(SAMPLED),
        }
        for _ in range(count)
    ]
