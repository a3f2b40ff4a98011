"""Concept vectors: the artifact, its algebra and file, concept sets, and the library of published versions.

The names below load on first use, so that `vectors.errors`, `vectors.names` and `vectors.sets` stay free of
torch for the rooms that are.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vectors.compatibility import check_compatible
    from vectors.concept import ConceptPrompts, ConceptVector, Halves, combine
    from vectors.errors import VectorError
    from vectors.file_format import load_vector, save_vector
    from vectors.importers import import_interpret_diffusion
    from vectors.library import StoredVector, VectorLibrary, shipped_library
    from vectors.sets import DEFAULT_SETS, ConceptSet

__all__ = [
    "DEFAULT_SETS",
    "ConceptPrompts",
    "ConceptSet",
    "ConceptVector",
    "Halves",
    "StoredVector",
    "VectorError",
    "VectorLibrary",
    "check_compatible",
    "combine",
    "import_interpret_diffusion",
    "load_vector",
    "save_vector",
    "shipped_library",
]

_HOMES = {
    "compatibility": ["check_compatible"],
    "concept": ["ConceptPrompts", "ConceptVector", "Halves", "combine"],
    "errors": ["VectorError"],
    "file_format": ["load_vector", "save_vector"],
    "importers": ["import_interpret_diffusion"],
    "library": ["StoredVector", "VectorLibrary", "shipped_library"],
    "sets": ["DEFAULT_SETS", "ConceptSet"],
}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"vectors.{module}"), name)
    raise AttributeError(f"module 'vectors' has no attribute {name!r}")
