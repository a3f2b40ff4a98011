"""Unified Concept Editing: the cross-attention weights are changed in closed form, so that words mean something else.

Gandikota, Orgad, Belinkov, Materzynska, Bau, "Unified Concept Editing in Diffusion Models", WACV 2024 (arXiv
2308.14761). Entry points: `UnifiedConceptEditing`, `edited`, `edit_matrix`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import nn

from diffusion import DiffusionModel, Engine, GeneratedImage, Row, Sampling
from evaluation.methods.method import OnStep, Settings
from evaluation.prompts import Prompt
from evaluation.wish import Wish
from evaluation.wording import Wording

EDIT_SCALE = 1.0
PRESERVE_SCALE = 0.1
REGULARISATION = 0.1
"""The scales of the authors' code: of edited and preserved tokens, and lambda."""

PRESERVED = ("person", "doctor", "nurse", "chef", "cat", "house")
"""Harmless concepts that an edit is to leave as they are."""


@dataclass(frozen=True)
class Edit:
    """A text that is to mean another from then on; "" is the empty concept."""

    source: str
    destination: str


def edit_matrix(sources: torch.Tensor, destinations: torch.Tensor, preserved: torch.Tensor) -> torch.Tensor:
    """Return the matrix M [d, d], fp64 on the CPU, that turns every key or value weight W [out, d] into its edited W M.

    `sources` c and `destinations` c* are token embeddings [n, d] that correspond, `preserved` p is [m, d]. W M is
    the W' that minimises

        a sum |W' c - W c*|^2 + b sum |W' p - W p|^2 + lambda |W' - W|^2,

    equation 7 of the paper: (a sum W c* c^T + b sum W p p^T + lambda W)(a sum c c^T + b sum p p^T + lambda I)^-1,
    whose left factor has W in common.
    """
    c, target, p = (rows.cpu().double() for rows in (sources, destinations, preserved))
    kept = PRESERVE_SCALE * p.T @ p + REGULARISATION * torch.eye(c.shape[1], dtype=c.dtype)
    wanted = EDIT_SCALE * target.T @ c + kept
    # X = wanted @ inverse(gram), as gram is symmetric.
    matrix: torch.Tensor = torch.linalg.solve(EDIT_SCALE * c.T @ c + kept, wanted.T).T
    return matrix


@contextmanager
def edited(model: DiffusionModel, edits: Sequence[Edit], preserved: Sequence[str]) -> Iterator[None]:
    """Edit the model for as long as the block lasts; afterwards its weights are the very ones they were.

    There is at least one edit, and one text to preserve.
    """
    layers = [
        module
        for name, module in model.pipe.unet.named_modules()
        if name.endswith(("attn2.to_k", "attn2.to_v"))
    ]
    aligned = [_aligned(model, edit) for edit in edits]
    matrix = edit_matrix(
        torch.cat([source for source, _ in aligned]),
        torch.cat([destination for _, destination in aligned]),
        model.encode(preserved).embeds.flatten(0, 1),
    )
    own = [layer.weight for layer in layers]
    try:
        for layer, weight in zip(layers, own, strict=True):
            changed = weight.float() @ matrix.to(weight.device, torch.float32)
            layer.weight = nn.Parameter(changed.to(weight.dtype), requires_grad=False)
        yield
    finally:
        # The parameters themselves are put back, not their values: nothing can be lost.
        for layer, weight in zip(layers, own, strict=True):
            layer.weight = weight


def _aligned(model: DiffusionModel, edit: Edit) -> tuple[torch.Tensor, torch.Tensor]:
    """The token embeddings of both texts that correspond, [n, d] each.

    They are those of the last words, as in the authors' code. Where the source is to mean nothing, the end marks
    behind it go along (as in the first version of that code), because a text encoder keeps a whole text's meaning
    there; where it is to mean something more, they stay, for the sake of the rest of a prompt.
    """
    texts = [edit.source, edit.destination]
    embeds = model.encode(texts).embeds
    last_words = [
        model.count_tokens(text) - 2 for text in texts
    ]  # before it the start mark, behind it the end
    length = 1 if edit.destination else embeds.shape[1] - max(last_words)
    source, destination = (row[last : last + length] for row, last in zip(embeds, last_words, strict=True))
    return source, destination


class UnifiedConceptEditing:
    """The model edited for each wish: the prompt's noun towards the stated concept, the unwanted word to nothing."""

    name = "UCE"
    has_strength = False

    def __init__(self, engine: Engine, wording: Wording) -> None:
        self._engine = engine
        self._wording = wording

    def covers(self, concepts: Sequence[str]) -> bool:
        """Whether words are known for each."""
        return self._wording.can_state(concepts)

    def heard(self, wish: Wish) -> Wish:
        """All but the strength."""
        return replace(wish, strength=1.0)

    def settings(self, concepts: Sequence[str]) -> Settings:
        """The scales, and what is preserved."""
        return {
            "edit_scale": EDIT_SCALE,
            "preserve_scale": PRESERVE_SCALE,
            "regularisation": REGULARISATION,
            "preserved": list(PRESERVED),
        }

    def check(self, wishes: Sequence[Wish], sampling: Sampling) -> None:
        """Raise what `make` would raise before it begins."""
        texts = {
            text
            for wish in wishes
            for edit in self.edits(wish.prompt, wish.concepts)
            for text in (edit.source, edit.destination)
        }
        rows = [*(Row(wish.prompt.text, wish.seed) for wish in wishes), *(Row(text, 0) for text in texts)]
        self._engine.prepare(rows, sampling)

    def make(self, wishes: Sequence[Wish], sampling: Sampling, on_step: OnStep) -> list[GeneratedImage]:
        """Make the pictures, those that need the same edit together; see `Method.make`."""
        groups: dict[tuple[Edit, ...], list[int]] = {}
        for index, wish in enumerate(wishes):
            groups.setdefault(self.edits(wish.prompt, wish.concepts), []).append(index)
        made: dict[int, GeneratedImage] = {}
        for edits, indices in groups.items():
            rows = [Row(wishes[index].prompt.text, wishes[index].seed) for index in indices]
            before = len(made) * sampling.num_inference_steps

            def count(done: int, _total: int, before: int = before) -> None:
                on_step(before + done, len(wishes) * sampling.num_inference_steps)

            changed = {edit.source for edit in edits}
            with edited(self._engine.model, edits, [text for text in PRESERVED if text not in changed]):
                made.update(zip(indices, self._engine.generate(rows, sampling, count), strict=True))
        return [made[index] for index in range(len(wishes))]

    def edits(self, prompt: Prompt, concepts: Sequence[str]) -> tuple[Edit, ...]:
        """Return the edits that a wish needs."""
        noun = prompt.noun
        stated = self._wording.stated(noun, noun, concepts)
        towards = [Edit(noun, stated)] if stated != noun else []
        return (*towards, *(Edit(word, "") for word in self._wording.unwanted(concepts)))
