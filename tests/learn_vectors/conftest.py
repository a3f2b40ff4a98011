from collections.abc import Callable
from dataclasses import replace

import pytest
from sample_concepts import WOMAN
from tiny_pipelines import WORDS, tiny_sd1

from diffusion import DiffusionModel
from learn_vectors import LearnOptions, TrajectoryRecipe

QUICK = TrajectoryRecipe(steps=4, batch=4, inference_steps=4)
OPTIONS = LearnOptions((WOMAN,), contexts=("person", "doctor"), things=("dog",), settings=("",), recipe=QUICK)


@pytest.fixture
def options() -> Callable[..., LearnOptions]:
    """Options for a tiny model, a few steps, with some of them replaced."""

    def make(**changes: object) -> LearnOptions:
        return replace(OPTIONS, **changes)

    return make


@pytest.fixture(scope="session")
def measurable_sd1() -> DiffusionModel:
    """A tiny model whose few tokens are enough for the prompts that vectors are measured on."""
    return DiffusionModel(tiny_sd1(words=(*WORDS, "firefighter", "teacher", "on", "beach")), "tiny")
