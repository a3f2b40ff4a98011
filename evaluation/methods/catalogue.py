"""The methods by the names that users choose them by.

Entry points: `METHODS`, `make_methods`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final

from diffusion import Engine
from evaluation.errors import EvaluationError
from evaluation.methods.concept_vectors import ConceptVectors
from evaluation.methods.explicit_prompt import ExplicitPrompt
from evaluation.methods.method import Method
from evaluation.methods.negative_prompt import NegativePrompt
from evaluation.methods.safe_latent_diffusion import PRESETS, SafeLatentDiffusion
from evaluation.methods.unified_concept_editing import UnifiedConceptEditing
from evaluation.wording import Wording
from vectors import VectorLibrary

METHODS: Final[Mapping[str, Callable[[Engine, Wording], Method]]] = MappingProxyType(
    {
        "vectors": lambda engine, _wording: ConceptVectors(engine),
        "negative-prompt": NegativePrompt,
        "explicit-prompt": ExplicitPrompt,
        **{f"sld-{name}": partial(SafeLatentDiffusion, preset=preset) for name, preset in PRESETS.items()},
        "uce": UnifiedConceptEditing,
    }
)
"""Every method that the plain model can be compared with."""

ALL: Final = "all"
DEFAULT: Final = ("vectors", "negative-prompt")


def make_methods(
    engine: Engine, chosen: Sequence[str] = DEFAULT, compared: Mapping[str, VectorLibrary] | None = None
) -> list[Method]:
    """Return the chosen methods in the order of `METHODS`, and one for each library that vectors are compared with.

    The words of the methods that need words are those of the engine's own library. Raises EvaluationError for a
    method that is not there, and for a compared library with the name of a method.
    """
    for name in chosen:
        if name not in (*METHODS, ALL):
            close = difflib.get_close_matches(name, METHODS)
            hint = f" did you mean {' or '.join(close)}?" if close else ""
            raise EvaluationError(f"no method {name!r};{hint} there are {', '.join(METHODS)}, and {ALL}")
    wording = Wording(engine.vectors)
    methods = [make(engine, wording) for name, make in METHODS.items() if name in chosen or ALL in chosen]
    taken = {method.name for method in methods} | {"no vector"}
    for name, library in (compared or {}).items():
        if name in taken:
            raise EvaluationError(f"the library to compare with cannot be called {name!r}, as a method is")
        other = Engine(engine.model, library, engine.max_batch_rows)
        methods.append(ConceptVectors(other, name, may_lack=True))
    # What is ours comes first, then the same from other libraries, then the rest.
    return sorted(methods, key=lambda method: not isinstance(method, ConceptVectors))
