from pathlib import Path

import pytest
import torch

from diffusion import DiffusionModel, Engine
from evaluation.run_store import RunStore
from evaluation.wording import Wording
from vectors import ConceptPrompts, ConceptVector, VectorLibrary

PEOPLE = ("a photo of a person",)
LEARNED_FROM = {
    "woman": ConceptPrompts(("a photo of a woman",), PEOPLE),
    "man": ConceptPrompts(("a photo of a man",), PEOPLE),
    "black": ConceptPrompts(("a photo of a black person",), PEOPLE),
    "white": ConceptPrompts(("a photo of a white person",), PEOPLE),
    "asian": ConceptPrompts(("a photo of an asian person",), PEOPLE),
    "with-glasses": ConceptPrompts(("a photo of a person with glasses",), PEOPLE),
    "anti-sexual": ConceptPrompts(("a photo of a doctor",), ("a photo of a doctor",), ("sexual",)),
    "anti-violence": ConceptPrompts(("a photo of a doctor",), ("a photo of a doctor",), ("ugly",)),
    "unsaid": ConceptPrompts(),
}
"""Prompts in words that the tiny tokenizer knows, mostly."""


@pytest.fixture
def library(sd1: DiffusionModel, tmp_path: Path) -> VectorLibrary:
    """A random vector for every concept."""
    library = VectorLibrary(tmp_path / "vectors")
    for number, (concept, prompts) in enumerate(LEARNED_FROM.items()):
        values = 3 * torch.randn(32, 4, 4, generator=torch.Generator().manual_seed(number))
        library.publish(
            ConceptVector(
                concept, values, base_model=sd1.fingerprint, recommended_strength=0.5, prompts=prompts
            )
        )
    return library


@pytest.fixture
def engine(sd1: DiffusionModel, library: VectorLibrary) -> Engine:
    """A tiny model with that library."""
    return Engine(sd1, library)


@pytest.fixture
def small_engine(engine: Engine) -> Engine:
    """The same, which makes four pictures at once."""
    return Engine(engine.model, engine.vectors, max_batch_rows=4)


@pytest.fixture
def wording(library: VectorLibrary) -> Wording:
    return Wording(library)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "run")
