"""The plan of an image that is made again because a screen found something in it.

Entry points: `retry_plan`, `retry_seed`.
"""

import hashlib
import math
from dataclasses import replace

from policies.image_plan import ImagePlan, Steer
from policies.screen_rule import ScreenRule


def retry_plan(first: ImagePlan, retry: int, rule: ScreenRule, max_strength: float) -> ImagePlan:
    """Return the plan of retry 1, 2, ... of an image: another seed, and its safety concepts stronger.

    Their strengths are multiplied by `rule.stronger` once for each retry, up to `max_strength` either way. What was
    drawn for fairness stays, so that a screen does not shift whom pictures show.
    """
    return replace(
        first,
        seed=retry_seed(first.seed, retry),
        steering=tuple(
            _stronger(steer, rule.stronger**retry, max_strength, retry)
            if steer.concept_set is None
            else steer
            for steer in first.steering
        ),
    )


def retry_seed(seed: int, retry: int) -> int:
    """Return the seed of a retry, below 2**32: hashed, so that it is not that of the request's next image."""
    digest = hashlib.sha256(f"retry:{retry}:{seed}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _stronger(steer: Steer, factor: float, max_strength: float, retry: int) -> Steer:
    strength = math.copysign(min(abs(steer.strength) * factor, max_strength), steer.strength)
    times = strength / steer.strength
    return replace(
        steer, strength=strength, reason=f"{steer.reason}, {times:.3g} times as strong at retry {retry}"
    )
