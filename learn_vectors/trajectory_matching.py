"""Trajectory matching: the vector that makes the frozen model predict, under a prompt, what it predicts otherwise.

Entry point: `match_trajectories`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from diffusion import DiffusionModel, PromptEncoding
from diffusion.steering import added_at_site
from learn_vectors.lessons import Lesson, lessons_of
from learn_vectors.options import LearnOptions, TrajectoryRecipe
from learn_vectors.trajectories import TrajectoryPool


def match_trajectories(
    model: DiffusionModel, values: torch.Tensor, options: LearnOptions, recipe: TrajectoryRecipe
) -> Iterator[float]:
    """Learn `values` [C, h, w] (a leaf that requires gradients) in place, yielding the loss of each step.

    Each step matches, on every trajectory within the learned timesteps, the steered prediction to the lesson's
    target (mean squared error), moves `values` by Adam, and samples on with guidance. Related: the score
    matching of RespoDiff (NeurIPS 2025), which likewise needs no image set.
    """
    lessons = lessons_of(options, recipe)
    frozen = _FrozenPredictions(model, lessons)
    pool = TrajectoryPool(model, lessons, recipe, torch.Generator().manual_seed(options.seed))
    optimizer = torch.optim.Adam([values], lr=recipe.learning_rate)
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * _decay(step, recipe.steps)
        predictions = frozen.predict(pool)
        with added_at_site(model.pipe.unet, options.site, lambda h: h + values.to(h.dtype)):
            student = model.predict(
                pool.latents, pool.timesteps, frozen.encode([lesson.prompt for lesson in pool.lessons])
            ).float()
        rows = pool.in_range
        loss = (student - predictions.target)[rows].square().mean() if rows.any() else student.sum() * 0
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steered = pool.steered.to(model.device).view(-1, 1, 1, 1)
        conditional = torch.where(steered, student.detach(), predictions.conditional)
        pool.advance(torch.lerp(predictions.unconditional, conditional, recipe.guidance_scale))
        yield loss.item()


class _Predictions:
    """The frozen model's predictions of one step, each [rows, c, h, w] in fp32."""

    def __init__(self, unconditional: torch.Tensor, conditional: torch.Tensor, target: torch.Tensor) -> None:
        self.unconditional, self.conditional, self.target = unconditional, conditional, target


class _FrozenPredictions:
    """Predicts, for each row of a pool, what its lesson needs: each prompt once, all in one pass."""

    def __init__(self, model: DiffusionModel, lessons: Sequence[Lesson]) -> None:
        self._model = model
        prompts = {""} | {
            text for lesson in lessons for text in (lesson.prompt, lesson.target, lesson.repelled)
        }
        self._index = {prompt: index for index, prompt in enumerate(sorted(prompts))}
        self._encodings = PromptEncoding.concat(
            [
                model.encode_negative([prompt]) if not prompt else model.encode([prompt])
                for prompt in self._index
            ]
        )

    def encode(self, prompts: Sequence[str]) -> PromptEncoding:
        """Return the encodings of prompts of the lessons, one row each."""
        return self._encodings[[self._index[prompt] for prompt in prompts]]

    @torch.no_grad()
    def predict(self, pool: TrajectoryPool) -> _Predictions:
        """Predict what each row's lesson and its next sampling step need."""
        wanted: dict[tuple[int, str], int] = {}
        for row, lesson in enumerate(pool.lessons):
            for prompt in ("", lesson.target, lesson.prompt, lesson.repelled):
                wanted.setdefault((row, prompt), len(wanted))
        rows = torch.tensor([row for row, _ in wanted], device=self._model.device)
        predicted = self._model.predict(
            pool.latents[rows], pool.timesteps[rows], self.encode([prompt for _, prompt in wanted])
        ).float()

        def of(prompts: Sequence[str]) -> torch.Tensor:
            return predicted[[wanted[row, prompt] for row, prompt in enumerate(prompts)]]

        unconditional = of([""] * len(pool.lessons))
        eta = torch.tensor([lesson.eta for lesson in pool.lessons], device=self._model.device).view(
            -1, 1, 1, 1
        )
        repelled = of([lesson.repelled for lesson in pool.lessons])
        target = of([lesson.target for lesson in pool.lessons]) - eta * (repelled - unconditional)
        return _Predictions(unconditional, of([lesson.prompt for lesson in pool.lessons]), target)


def _decay(step: int, steps: int) -> float:
    """Return the rate's factor: 1 over the first half, then linearly down to a tenth."""
    return min(1.0, 1 - 0.9 * (2 * step / steps - 1))
