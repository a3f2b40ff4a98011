"""Trimtab: safety and fairness for text-to-image diffusion, by concept vectors added at inference.

Everything a user needs is imported from here: `from trimtab import steer`. The names load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from diffusion import DiffusionModel, Engine, Row, Sampling, load_model, steer
    from learn_vectors import Concept, LearnOptions, learn_vectors
    from vectors import ConceptSet, ConceptVector, VectorLibrary, shipped_library

    DEMO_MODEL: Path
    """The folder of the embedded demo model, for `load_model`."""

__all__ = [
    "DEMO_MODEL",
    "Concept",
    "ConceptSet",
    "ConceptVector",
    "DiffusionModel",
    "Engine",
    "LearnOptions",
    "Row",
    "Sampling",
    "VectorLibrary",
    "learn_vectors",
    "load_model",
    "shipped_library",
    "steer",
]

_HOMES = {
    "diffusion": ["DiffusionModel", "Engine", "Row", "Sampling", "load_model", "steer"],
    "learn_vectors": ["Concept", "LearnOptions", "learn_vectors"],
    "vectors": ["ConceptSet", "ConceptVector", "VectorLibrary", "shipped_library"],
}


def __getattr__(name: str) -> object:
    if name == "DEMO_MODEL":
        return importlib.import_module("demo_model").pipeline_path()
    for room, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(room), name)
    raise AttributeError(f"module 'trimtab' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
