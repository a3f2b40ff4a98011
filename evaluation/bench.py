"""The bench: what every evaluation is planned with, whatever it asks for.

Entry point: `Bench`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detectors import Detector
from diffusion import Engine, Sampling
from evaluation.condition import Condition
from evaluation.methods.method import Method
from evaluation.parts import Part, choices_of
from evaluation.prompts import Prompt
from evaluation.wish import wishes_for
from vectors import VectorLibrary


@dataclass(frozen=True)
class Bench:
    """What makes the pictures and what reads them, and how many there are of each prompt under each condition."""

    engine: Engine
    detector: Detector
    plain: Method
    """What the methods are measured from: the model as it is."""
    methods: Sequence[Method]
    sampling: Sampling
    images_per_prompt: int
    seed: int = 0
    """That of the first image of each prompt."""

    @property
    def library(self) -> VectorLibrary:
        """The vectors that are measured, and the sets of their concepts."""
        return self.engine.vectors

    def unsteered(self, title: str, prompts: Sequence[Prompt]) -> Condition:
        """Return the plain model's pictures of some prompts."""
        wishes = wishes_for(prompts, self.images_per_prompt, self.sampling, self.seed)
        return Condition(title, self.plain, (), wishes)

    def steered(
        self,
        title: str,
        prompts: Sequence[Prompt],
        parts: Sequence[Part],
        *,
        with_plain: bool = False,
    ) -> list[Condition]:
        """Return a condition for each method that can bring about the parts together, of which members come in turn.

        `with_plain` has the plain model's first: its pictures are counted by the same wishes, though it hears none.
        """
        wishes = wishes_for(
            prompts, self.images_per_prompt, self.sampling, self.seed, choices=choices_of(parts)
        )
        members = [member for part in parts for member in part.members]
        return [
            Condition(title, method, tuple(part.name for part in parts), wishes)
            for method in ([self.plain, *self.methods] if with_plain else self.methods)
            if method.covers(members)
        ]
