"""What the methods share whose pictures the engine makes: each wish becomes one row of work.

Entry point: `EngineMethod`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from diffusion import Engine, GeneratedImage, Row, Sampling
from evaluation.methods.method import OnStep
from evaluation.wish import Wish


class EngineMethod(ABC):
    """A method that is told by the row it makes of a wish; see `Method`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @abstractmethod
    def row(self, wish: Wish) -> Row:
        """Return what the engine is asked for a wish."""

    def heard(self, wish: Wish) -> Wish:
        """All but the strength, which most can do nothing about."""
        return replace(wish, strength=1.0)

    def check(self, wishes: Sequence[Wish], sampling: Sampling) -> None:
        """Raise what `make` would raise before it begins."""
        self._engine.prepare([self.row(wish) for wish in wishes], sampling)

    def make(self, wishes: Sequence[Wish], sampling: Sampling, on_step: OnStep) -> list[GeneratedImage]:
        """Make one picture of each wish, in order."""
        return self._engine.generate([self.row(wish) for wish in wishes], sampling, on_step)
