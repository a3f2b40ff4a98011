"""An explicit prompt: what is wished is said in the prompt itself.

Entry point: `ExplicitPrompt`.
"""

from __future__ import annotations

from collections.abc import Sequence

from diffusion import Engine, Row
from evaluation.methods.engine_method import EngineMethod
from evaluation.methods.method import Settings
from evaluation.wish import Wish
from evaluation.wording import Wording


class ExplicitPrompt(EngineMethod):
    """ "a photo of a woman doctor" for "a photo of a doctor"; "..., without violent" for an anti-concept."""

    name = "explicit prompt"
    has_strength = False

    def __init__(self, engine: Engine, wording: Wording) -> None:
        super().__init__(engine)
        self._wording = wording

    def covers(self, concepts: Sequence[str]) -> bool:
        """Whether words are known for each."""
        return self._wording.can_state(concepts)

    def settings(self, concepts: Sequence[str]) -> Settings:
        """None: the prompt of each picture says it all, and provenance keeps it."""
        return {}

    def row(self, wish: Wish) -> Row:
        """The prompt that says it; raises PhraseError where it lacks its noun."""
        return Row(self._wording.explicit(wish.prompt, wish.concepts), wish.seed)
