"""The interface of every method that is compared: from wishes to pictures.

Entry point: `Method`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from diffusion import GeneratedImage, Sampling
from evaluation.wish import Wish

OnStep: TypeAlias = Callable[[int, int], None]
"""Called with the image steps done and those to do, of one call."""

Settings: TypeAlias = Mapping[str, "str | float | list[str] | dict[str, str]"]
"""What a method's pictures depend on besides the wish and the model, as JSON can hold it."""


class Method(Protocol):
    """Makes the pictures of wishes in its own way, on the seeds they name."""

    @property
    def name(self) -> str:
        """The method, as tables say it."""
        ...

    @property
    def has_strength(self) -> bool:
        """Whether it can do more or less of what is wished, and so heeds `Wish.strength`."""
        ...

    def covers(self, concepts: Sequence[str]) -> bool:
        """Whether it has a way to bring about these concepts together."""
        ...

    def heard(self, wish: Wish) -> Wish:
        """Return the part of a wish that its picture depends on: wishes that are heard alike share a picture."""
        ...

    def settings(self, concepts: Sequence[str]) -> Settings:
        """What its pictures of these concepts depend on besides the wish and the model."""
        ...

    def check(self, wishes: Sequence[Wish], sampling: Sampling) -> None:
        """Raise what `make` would raise for these wishes before it begins; makes nothing."""
        ...

    def make(self, wishes: Sequence[Wish], sampling: Sampling, on_step: OnStep) -> list[GeneratedImage]:
        """Make one picture of each wish, in order; all have this sampling, and concepts that are covered.

        Raises DiffusionError, VectorError and EvaluationError.
        """
        ...
