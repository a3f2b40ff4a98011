"""Trajectory matching: the vector that makes the frozen model predict, under a prompt, what it predicts otherwise.

Entry point: `match_trajectories`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

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
        conditional = student.detach()
        conditional[~pool.steered] = predictions.unsteered
        pool.advance(torch.lerp(predictions.unconditional, conditional, recipe.guidance_scale))
        yield loss.item()


@dataclass(frozen=True, eq=False)
class _Predictions:
    """The frozen model's predictions of one step, in fp32."""

    target: torch.Tensor
    """[rows, c, h, w]: what the student is to predict."""
    unconditional: torch.Tensor
    """[rows, c, h, w]"""
    unsteered: torch.Tensor
    """[unsteered rows, c, h, w]: the conditional prediction of the rows that the vector does not steer."""


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
        unsteered = (~pool.steered).nonzero().flatten().tolist()
        wanted: dict[tuple[int, str], int] = {}
        for row, lesson in enumerate(pool.lessons):
            for prompt in ("", lesson.target, lesson.repelled):
                wanted.setdefault((row, prompt), len(wanted))
        for row in unsteered:
            wanted.setdefault((row, pool.lessons[row].prompt), len(wanted))
        rows = torch.tensor([row for row, _ in wanted], device=self._model.device)
        predicted = self._model.predict(
            pool.latents[rows], pool.timesteps[rows], self.encode([prompt for _, prompt in wanted])
        ).float()

        def of(choices: Iterable[tuple[int, str]]) -> torch.Tensor:
            return predicted[[wanted[choice] for choice in choices]]

        lessons = list(enumerate(pool.lessons))
        unconditional = of((row, "") for row, _ in lessons)
        eta = torch.tensor([lesson.eta for lesson in pool.lessons], device=self._model.device).view(
            -1, 1, 1, 1
        )
        push = of((row, lesson.repelled) for row, lesson in lessons) - unconditional
        return _Predictions(
            target=of((row, lesson.target) for row, lesson in lessons) - eta * push,
            unconditional=unconditional,
            unsteered=of((row, pool.lessons[row].prompt) for row in unsteered),
        )


def _decay(step: int, steps: int) -> float:
    """Return the rate's factor: 1 over the first half, then linearly down to a tenth."""
    return min(1.0, 1 - 0.9 * (2 * step / steps - 1))
