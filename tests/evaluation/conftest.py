from pathlib import Path

import pytest
import torch

from diffusion import DiffusionModel, Engine
from vectors import ConceptVector, VectorLibrary


@pytest.fixture
def engine(sd1: DiffusionModel, tmp_path: Path) -> Engine:
    """A tiny model with a random vector for every concept."""
    library = VectorLibrary(tmp_path / "vectors")
    for number, concept in enumerate(
        ("woman", "man", "black", "white", "asian", "anti-sexual", "anti-violence")
    ):
        values = 3 * torch.randn(32, 4, 4, generator=torch.Generator().manual_seed(number))
        library.publish(ConceptVector(concept, values, base_model=sd1.fingerprint, recommended_strength=0.5))
    return Engine(sd1, library)
