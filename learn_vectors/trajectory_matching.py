"""Trajectory matching: the vectors that make the frozen model predict, under a prompt, what it predicts otherwise.

Entry point: `match_trajectories`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from diffusion import DiffusionModel
from diffusion.processes import ALONE, Processes
from learn_vectors.checkpoint import EVERY_STEPS, Checkpoint
from learn_vectors.errors import OptionsError
from learn_vectors.optimizer import VectorOptimizer
from learn_vectors.options import LearnOptions, TrajectoryRecipe
from learn_vectors.predictions import Predictor
from learn_vectors.trajectories import TrajectoryPool


def match_trajectories(
    model: DiffusionModel,
    optimizer: VectorOptimizer,
    options: LearnOptions,
    recipe: TrajectoryRecipe,
    checkpoint: Checkpoint | None = None,
    processes: Processes = ALONE,
) -> Iterator[float]:
    """Learn the optimizer's values [concepts, C, h, w], yielding the loss of each step.

    Each step matches, on every trajectory within the learned timesteps, the guided prediction steered by the sum
    of the lesson's vectors to the lesson's target (mean squared error over the squared guidance), takes a step of
    Adam, and samples on. Only the vectors that a lesson is about learn from it, so that a concept that changes much
    of a picture does not drown one that changes little. Related: the score matching of RespoDiff (NeurIPS 2025),
    which likewise needs no image set.

    Every process takes its share of the rows. With a checkpoint the run goes on from
    the step that was saved last.
    """
    if recipe.batch % processes.count:
        raise OptionsError(
            f"a batch of {recipe.batch} cannot be shared evenly by {processes.count} processes: "
            f"give a multiple of {processes.count}"
        )
    rows = range(processes.index, recipe.batch, processes.count)
    pool = TrajectoryPool(model, options, recipe, rows=rows)
    if checkpoint is not None and (saved := checkpoint.load()):
        optimizer.restore(saved)
        pool.resume(optimizer.step_number, saved["latents"][list(rows)])
    predictor = Predictor(model, pool.all_lessons)
    guidance = recipe.guidance_scale
    while optimizer.step_number < options.total_steps:
        frozen = predictor.frozen(pool)
        values = optimizer.values
        active, taught = _active(pool, options, values)
        added = torch.tensordot(active, values.detach(), dims=1)
        added = added + torch.tensordot(taught, values - values.detach(), dims=1)
        conditional = predictor.steered(pool, options.site, added, conditional=True)
        unconditional = frozen.unconditional
        if options.halves == "both":
            unconditional = predictor.steered(pool, options.site, added, conditional=False)
        steered = torch.lerp(unconditional, conditional, guidance)
        target = torch.lerp(frozen.unconditional, frozen.target, guidance)
        errors = ((steered - target) / guidance).square().mean(dim=(1, 2, 3))
        weights = pool.weights * pool.in_range
        loss, gradient = _reduced(optimizer.values, (errors * weights).sum(), weights.sum(), processes)
        optimizer.step(gradient)
        unsteered = torch.lerp(frozen.unconditional, frozen.conditional, guidance)
        is_steered = pool.steered.to(model.device).view(-1, 1, 1, 1)
        pool.advance(torch.where(is_steered, steered.detach(), unsteered))
        if checkpoint is not None and optimizer.step_number % EVERY_STEPS == 0:
            latents = processes.rows(pool.latents)
            if processes.is_main:
                checkpoint.save(optimizer.state() | {"latents": latents})
        yield loss


def _active(
    pool: TrajectoryPool, options: LearnOptions, like: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which vectors each row gets at its timestep, and which learn from it, [rows, concepts] of 0 and 1."""
    active = like.new_zeros(len(pool.lessons), len(options.concepts))
    taught = torch.zeros_like(active)
    for row, lesson in enumerate(pool.lessons):
        active[row, list(lesson.active)] = 1
        taught[row, list(lesson.taught)] = 1
    start, end = options.applied_timesteps
    applied = ((start <= pool.timesteps) & (pool.timesteps < end))[:, None]
    return active * applied, taught * applied


def _reduced(
    values: torch.Tensor, total: torch.Tensor, weight: torch.Tensor, processes: Processes
) -> tuple[float, torch.Tensor]:
    """Return the weighted mean of the errors of all processes' rows, and its gradient."""
    (gradient,) = torch.autograd.grad(total, values)
    sums = processes.sum(torch.stack([total.detach(), weight.to(total)]))
    gradient = processes.sum(gradient)
    weights = sums[1].clamp(min=torch.finfo(sums.dtype).tiny)
    return float(sums[0] / weights), gradient / weights
