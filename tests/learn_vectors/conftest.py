from collections.abc import Callable
from dataclasses import replace

import pytest
from sample_concepts import WOMAN

from learn_vectors import LearnOptions, TrajectoryRecipe

QUICK = TrajectoryRecipe(steps=4, batch=4, inference_steps=4)
OPTIONS = LearnOptions((WOMAN,), contexts=("person", "doctor"), things=("dog",), settings=("",), recipe=QUICK)


@pytest.fixture
def options() -> Callable[..., LearnOptions]:
    """Options for a tiny model, a few steps, with some of them replaced."""

    def make(**changes: object) -> LearnOptions:
        return replace(OPTIONS, **changes)

    return make
