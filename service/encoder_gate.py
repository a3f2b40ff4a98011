"""A second opinion on prompts: the loaded model's own text encoder, as a gate.

Entry points: `chosen_gate`, `EncoderGate`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import torch

from diffusion import DiffusionModel
from policies.gate import Decision, LexiconGate
from policies.prompt_reading.lexicon import load_lexicon
from service.settings import Settings

PEOPLE = ("a photo of a person", "a person", "a group of people")
NO_PEOPLE = ("a photo of a thing", "a landscape", "an animal", "a building", "food on a table", "a pattern")
STATED: Mapping[str, tuple[str, ...]] = {
    "gender": ("a photo of a woman", "a photo of a man"),
    "race": ("a photo of a black person", "a photo of a white person", "a photo of an Asian person"),
}
"""Concept set -> anchors that state it; of other sets only the people are asked for."""

Embed = Callable[[Sequence[str]], torch.Tensor]
"""Prompts -> one vector each, [prompts, dim], on the CPU."""


class EncoderGate:
    """Decides by the nearest anchor: the short prompts whose embeddings have the largest cosine with the prompt's."""

    def __init__(self, embed: Embed) -> None:
        self._embed = lru_cache(maxsize=1024)(lambda prompt: _normal(embed([prompt]))[0])
        anchors = [*PEOPLE, *NO_PEOPLE, *(anchor for stated in STATED.values() for anchor in stated)]
        self._anchors = dict(zip(anchors, _normal(embed(anchors)), strict=True))

    def decide(self, prompt: str, concept_sets: Sequence[str]) -> list[Decision]:
        """Return one decision per concept set."""
        return [self._decided(prompt, concept_set) for concept_set in concept_sets]

    def _decided(self, prompt: str, concept_set: str) -> Decision:
        stated = STATED.get(concept_set, ())
        nearest, cosine = self._nearest(prompt, (*PEOPLE, *NO_PEOPLE, *stated))
        reason = f"text encoder: nearest to {nearest!r}, cosine {cosine:.2f}"
        if nearest in PEOPLE:
            return Decision(concept_set, True, reason, "open")
        return Decision(concept_set, False, reason, "no_people" if nearest in NO_PEOPLE else "stated")

    def _nearest(self, prompt: str, anchors: Sequence[str]) -> tuple[str, float]:
        cosines = torch.stack([self._anchors[anchor] for anchor in anchors]) @ self._embed(prompt)
        best = int(cosines.argmax())
        return anchors[best], float(cosines[best])


def chosen_gate(settings: Settings, model: DiffusionModel) -> LexiconGate:
    """Return the gate that the settings ask for; LexiconError where their lexicon cannot be used."""
    lexicon = load_lexicon(*([] if settings.lexicon is None else [settings.lexicon]))
    return LexiconGate(lexicon, EncoderGate(model.summarise) if settings.gate == "lexicon+model" else None)


def _normal(embeddings: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(embeddings.float(), dim=-1)
