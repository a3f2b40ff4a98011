"""Safe Latent Diffusion: guidance away from a concept, only where the picture is heading there.

Schramowski, Brack, Deiseroth, Kersting, "Safe Latent Diffusion: Mitigating Inappropriate Degeneration in Diffusion
Models", CVPR 2023 (arXiv 2211.05105). Entry points: `SafeLatentDiffusion`, `PRESETS`, `safety_guidance`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Final

import torch

from diffusion import (
    DiffusionModel,
    Engine,
    GeneratedImage,
    PromptEncoding,
    Row,
    Sampling,
    ddim_step,
    ddim_timesteps,
    with_cores,
)
from evaluation.errors import EvaluationError
from evaluation.methods.method import OnStep, Settings
from evaluation.wish import Wish
from evaluation.wording import Wording

_PUBLISHED_STEPS = 50


@dataclass(frozen=True)
class Preset:
    """How strongly to guide; the symbols are the paper's."""

    name: str
    guidance: float
    """s_S, which scales the difference from the unwanted concept."""
    warmup_steps: int
    """delta: the first steps left alone, of 50; of another number of steps, the same part."""
    threshold: float
    """lambda: elements that differ from the unwanted concept by this much are left alone."""
    momentum_scale: float
    """s_m."""
    momentum_beta: float
    """beta_m."""

    def warmup(self, num_inference_steps: int) -> int:
        """Return how many of so many steps are left alone."""
        return round(self.warmup_steps * num_inference_steps / _PUBLISHED_STEPS)


PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Preset("weak", 20, 15, 0.0, 0.0, 0.0),
            Preset("medium", 1000, 10, 0.01, 0.3, 0.4),
            Preset("strong", 2000, 7, 0.025, 0.5, 0.7),
            Preset("max", 5000, 0, 1.0, 0.5, 0.7),
        )
    }
)
"""The configurations of the paper's table, by name."""


def safety_guidance(
    unconditional: torch.Tensor,
    conditional: torch.Tensor,
    concept: torch.Tensor,
    momentum: torch.Tensor,
    preset: Preset,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the guidance away from the concept, and the momentum for the next step.

    All are [rows, c, h, w]: predictions without a prompt, under the prompt and under the unwanted concept. With d
    the prompt's prediction minus the concept's, the concept's own guidance is scaled element by element by
    min(1, s_S |d|) where d < lambda and by 0 elsewhere (equations 5 and 6, with the minimum of the authors' code
    where the paper prints a maximum); momentum is equations 7 and 8.
    """
    difference = conditional - concept
    scale = (preset.guidance * difference.abs()).clamp(max=1)
    scale = torch.where(difference < preset.threshold, scale, torch.zeros_like(scale))
    guidance = scale * (concept - unconditional) + preset.momentum_scale * momentum
    return guidance, preset.momentum_beta * momentum + (1 - preset.momentum_beta) * guidance


class SafeLatentDiffusion:
    """Sampling with safety guidance, away from the words for what the concepts are to prevent."""

    has_strength = False

    def __init__(self, engine: Engine, wording: Wording, preset: Preset) -> None:
        self.name = f"SLD {preset.name}"
        self._engine = engine
        self._wording = wording
        self._preset = preset

    def covers(self, concepts: Sequence[str]) -> bool:
        """Whether each prevents something that has a name."""
        return self._wording.can_avert(concepts)

    def heard(self, wish: Wish) -> Wish:
        """All but the strength."""
        return replace(wish, strength=1.0)

    def settings(self, concepts: Sequence[str]) -> Settings:
        """The words."""
        return {"words": self._wording.unwanted(concepts)}

    def check(self, wishes: Sequence[Wish], sampling: Sampling) -> None:
        """Raise what `make` would raise before it begins.

        EvaluationError for another scheduler, and without classifier-free guidance to work through.
        """
        if sampling.scheduler != "ddim" or sampling.guidance_scale <= 1:
            raise EvaluationError(
                f"{self.name} takes DDIM steps with a guidance scale above 1, not {sampling.scheduler} steps "
                f"with {sampling.guidance_scale}: change that, or leave the method out"
            )
        rows = [Row(wish.prompt.text, wish.seed, self._concept(wish)) for wish in wishes]
        self._engine.prepare(rows, sampling)

    def make(self, wishes: Sequence[Wish], sampling: Sampling, on_step: OnStep) -> list[GeneratedImage]:
        """Make the pictures by DDIM steps; see `Method.make`."""
        self.check(wishes, sampling)
        made: list[GeneratedImage] = []
        for start in range(0, len(wishes), self._engine.max_batch_rows):
            batch = wishes[start : start + self._engine.max_batch_rows]

            def tell(step: int, before: int = start, rows: int = len(batch)) -> None:
                steps = sampling.num_inference_steps
                on_step(before * steps + step * rows, len(wishes) * steps)

            made += with_cores(partial(self._sample, batch, sampling), tell)
        return made

    @torch.no_grad()
    def _sample(
        self, wishes: Sequence[Wish], sampling: Sampling, after_step: Callable[[int], None]
    ) -> list[GeneratedImage]:
        """Make one batch."""
        model, steps, rows = self._engine.model, sampling.num_inference_steps, len(wishes)
        encoding = PromptEncoding.concat(
            [
                model.encode_negative([""] * rows),
                model.encode([wish.prompt.text for wish in wishes]),
                model.encode([self._concept(wish) for wish in wishes]),
            ]
        )
        latents = _noise(model, [wish.seed for wish in wishes], sampling)
        momentum = torch.zeros_like(latents, dtype=torch.float32)
        for step, (timestep, previous) in enumerate(zip(*ddim_timesteps(model, steps), strict=True)):
            prediction = model.predict(latents.repeat(3, 1, 1, 1), timestep.expand(3 * rows), encoding)
            unconditional, conditional, concept = prediction.float().chunk(3)
            guidance, momentum = safety_guidance(unconditional, conditional, concept, momentum, self._preset)
            direction = conditional - unconditional
            if step >= self._preset.warmup(steps):
                direction = direction - guidance
            guided = unconditional + sampling.guidance_scale * direction
            latents = ddim_step(latents, guided, timestep.expand(rows), previous.expand(rows), model)
            after_step(step + 1)
        pictures = model.to_pil(model.decode(latents))
        return [
            GeneratedImage(picture, wish.seed, wish.prompt.text, ())
            for wish, picture in zip(wishes, pictures, strict=True)
        ]

    def _concept(self, wish: Wish) -> str:
        """The text of the unwanted concept."""
        return ", ".join(self._wording.unwanted(wish.concepts))


def _noise(model: DiffusionModel, seeds: Sequence[int], sampling: Sampling) -> torch.Tensor:
    """The noise that the engine begins with: each row's seed decides its own, [rows, c, h, w]."""
    height, width = model.default_size
    shape = model.latent_shape(sampling.height or height, sampling.width or width)
    noise = [
        torch.randn(1, *shape, generator=torch.Generator().manual_seed(seed), dtype=model.dtype)
        for seed in seeds
    ]
    return torch.cat(noise).to(model.device)
