"""No vector: the model as it is, whatever is wished.

Entry point: `PlainModel`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from diffusion import Row
from evaluation.methods.engine_method import EngineMethod
from evaluation.methods.method import Settings
from evaluation.wish import Wish


class PlainModel(EngineMethod):
    """The model's own picture of a prompt."""

    name = "no vector"
    has_strength = False

    def covers(self, concepts: Sequence[str]) -> bool:
        """It brings nothing about, and so needs nothing for it."""
        return True

    def heard(self, wish: Wish) -> Wish:
        """The prompt and the seed alone."""
        return replace(wish, concepts=(), strength=1.0)

    def settings(self, concepts: Sequence[str]) -> Settings:
        """None."""
        return {}

    def row(self, wish: Wish) -> Row:
        """The same, as a row."""
        return Row(wish.prompt.text, wish.seed)
