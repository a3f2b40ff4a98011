"""Concept vectors: each wished concept's vector is added, at the strength recommended for it.

Entry point: `ConceptVectors`.
"""

from __future__ import annotations

from collections.abc import Sequence

from diffusion import Engine, Row
from evaluation.methods.engine_method import EngineMethod
from evaluation.methods.method import Settings
from evaluation.wish import Wish


class ConceptVectors(EngineMethod):
    """Steering by the vectors of the engine's library; the name tells libraries apart that are compared.

    A library that `may_lack` vectors covers the concepts that it holds; of any other a missing one is an error.
    """

    has_strength = True

    def __init__(self, engine: Engine, name: str = "vectors", *, may_lack: bool = False) -> None:
        super().__init__(engine)
        self.name = name
        self._may_lack = may_lack
        self._recommended: dict[str, float] = {}

    def covers(self, concepts: Sequence[str]) -> bool:
        """Whether there is a vector for each."""
        return not self._may_lack or set(concepts) <= set(self._engine.vectors.names())

    def heard(self, wish: Wish) -> Wish:
        """All of it."""
        return wish

    def settings(self, concepts: Sequence[str]) -> Settings:
        """The vectors' digests and recommended strengths."""
        stored = [self._engine.vectors.resolve(concept) for concept in concepts]
        return {one.reference: f"{one.digest} x {one.vector.recommended_strength:g}" for one in stored}

    def row(self, wish: Wish) -> Row:
        """The prompt, steered by each concept."""
        steering = {concept: wish.strength * self._strength(concept) for concept in wish.concepts}
        return Row(wish.prompt.text, wish.seed, steering=steering)

    def _strength(self, concept: str) -> float:
        if concept not in self._recommended:
            self._recommended[concept] = self._engine.vectors.resolve(concept).vector.recommended_strength
        return self._recommended[concept]
