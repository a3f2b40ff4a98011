"""A negative prompt: guidance leads away from the words for what the concepts are to prevent.

Entry point: `NegativePrompt`.
"""

from __future__ import annotations

from collections.abc import Sequence

from diffusion import Engine, Row
from evaluation.methods.engine_method import EngineMethod
from evaluation.methods.method import Settings
from evaluation.wish import Wish
from evaluation.wording import Wording


class NegativePrompt(EngineMethod):
    """What anybody can do with a diffusion model: name the unwanted in a negative prompt."""

    name = "negative prompt"
    has_strength = False

    def __init__(self, engine: Engine, wording: Wording) -> None:
        super().__init__(engine)
        self._wording = wording

    def covers(self, concepts: Sequence[str]) -> bool:
        """Whether each prevents something that has a name."""
        return self._wording.can_avert(concepts)

    def settings(self, concepts: Sequence[str]) -> Settings:
        """The words."""
        return {"words": self._wording.unwanted(concepts)}

    def row(self, wish: Wish) -> Row:
        """The prompt, with the words for the unwanted as its negative prompt."""
        unwanted = ", ".join(self._wording.unwanted(wish.concepts))
        return Row(wish.prompt.text, wish.seed, negative_prompt=unwanted)
