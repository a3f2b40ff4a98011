"""What the frozen model predicts about a pool of trajectories, without and with vectors.

Entry points: `Predictor`, and the names of the halves of a guidance pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch

from diffusion import DiffusionModel, PromptEncoding
from diffusion.steering import added_at_site
from learn_vectors.lessons import Lesson
from learn_vectors.trajectories import TrajectoryPool

CONDITIONAL: Final = "conditional"
UNCONDITIONAL: Final = "unconditional"


@dataclass(frozen=True, eq=False)
class FrozenPredictions:
    """The frozen model's predictions for one step, [rows, c, h, w] in fp32."""

    target: torch.Tensor
    """What the steered conditional prediction is to be, of those rows that learn."""
    conditional: torch.Tensor
    """Under each row's own prompt, where that was asked for."""
    unconditional: torch.Tensor


class Predictor:
    """Predicts for a pool of trajectories; prompts are encoded once.

    The passes of an fp32 model are made in bf16 where the device is quicker in it: the rounding is far below the error
    that is learned from. The vectors themselves, their gradients' sums and Adam stay in fp32.
    """

    def __init__(self, model: DiffusionModel, lessons: Sequence[Lesson]) -> None:
        self._model = model
        texts = {text for lesson in lessons for text in lesson.prompts}
        prompts = sorted(texts - {""})
        self._index = {prompt: index for index, prompt in enumerate(["", *prompts])}
        chunks = [prompts[start : start + 32] for start in range(0, len(prompts), 32)]
        self._encodings = PromptEncoding.concat(
            [model.encode_negative([""]), *(model.encode(chunk) for chunk in chunks)]
        )
        self._quick = model.dtype == torch.float32 and _has_quick_bfloat16(model.device)

    @torch.no_grad()
    def frozen(self, pool: TrajectoryPool, learning: torch.Tensor, *, conditional: bool) -> FrozenPredictions:
        """Predict what the lessons of the rows in `learning` and every row's next sampling step need, in one pass.

        Under its own prompt every row is predicted where `conditional` says so, and else those sampled unsteered.
        """
        lessons, learns = pool.lessons, set(learning.tolist())
        steered = [
            not conditional and is_steered and row in learns
            for row, is_steered in enumerate(pool.steered.tolist())
        ]
        wanted: dict[tuple[int, str], int] = {}
        for row, lesson in enumerate(lessons):
            own = () if steered[row] else (lesson.prompt,)
            needed = [text for text, _ in lesson.target] if row in learns else []
            for prompt in ("", *own, *needed):
                wanted.setdefault((row, prompt), len(wanted))
        rows = torch.tensor([row for row, _ in wanted], device=self._model.device)
        predicted = self._predict(pool.latents[rows], pool.timesteps[rows], [prompt for _, prompt in wanted])

        def combined(row: int, terms: Iterable[tuple[str, float]]) -> torch.Tensor:
            parts = [coefficient * predicted[wanted[row, prompt]] for prompt, coefficient in terms]
            return torch.stack(parts).sum(0)

        numbered = list(enumerate(lessons))
        return FrozenPredictions(
            target=torch.stack([combined(row, lessons[row].target) for row in learning.tolist()]),
            conditional=torch.stack(
                [
                    predicted[wanted[row, lesson.prompt if not steered[row] else ""]]
                    for row, lesson in numbered
                ]
            ),
            unconditional=predicted[[wanted[row, ""] for row, _ in numbered]],
        )

    def steered(
        self, pool: TrajectoryPool, learning: torch.Tensor, site: str, added: Mapping[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """Predict the halves that `added` has, with its [rows, C, h, w] at the site, all in one pass.

        Its rows are those in `learning`. The conditional half is under each row's own prompt, the unconditional one
        under the empty prompt. Returns [rows, c, h, w] in fp32 for each; gradients flow to `added`.
        """
        lessons = pool.lessons
        own = [lessons[row].prompt for row in learning.tolist()]
        prompts = [text for half in added for text in (own if half == CONDITIONAL else [""] * len(own))]
        count, together = len(added), torch.cat(list(added.values()))
        with added_at_site(self._model.pipe.unet, site, lambda h: h + together.to(h.dtype)):
            predicted = self._predict(
                pool.latents[learning].repeat(count, 1, 1, 1), pool.timesteps[learning].repeat(count), prompts
            )
        return dict(zip(added, predicted.chunk(count), strict=True))

    def _predict(
        self, latents: torch.Tensor, timesteps: torch.Tensor, prompts: Sequence[str]
    ) -> torch.Tensor:
        """Predict each row under its prompt, [rows, c, h, w] in fp32."""
        encoding = self._encodings[[self._index[prompt] for prompt in prompts]]
        with torch.autocast(self._model.device.type, torch.bfloat16, enabled=self._quick):
            return self._model.predict(latents, timesteps, encoding).float()


def _has_quick_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bf16 natively: elsewhere it is emulated, at half the pace of fp32."""
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
