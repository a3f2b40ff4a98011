from collections.abc import Callable
from dataclasses import replace

import pytest

from learn_vectors import LearnOptions, TrajectoryRecipe

QUICK = TrajectoryRecipe(steps=4, batch=3, inference_steps=4)
OPTIONS = LearnOptions(
    positive=("a photo of a woman",),
    negative=("a photo of a person",),
    contexts=("person", "doctor"),
    settings=("",),
    recipe=QUICK,
)


@pytest.fixture
def options() -> Callable[..., LearnOptions]:
    """Options for a tiny model, a few steps, with some of them replaced."""

    def make(**changes: object) -> LearnOptions:
        return replace(OPTIONS, **changes)

    return make
