"""Trajectory matching: the vectors that make the frozen model predict, under a prompt, what it predicts otherwise.

Entry point: `match_trajectories`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from diffusion import DiffusionModel
from diffusion.processes import ALONE, Processes
from learn_vectors.checkpoint import EVERY_STEPS, NOTHING, State, forget
from learn_vectors.concepts import Concept
from learn_vectors.errors import OptionsError
from learn_vectors.maps import maps_of, placed
from learn_vectors.optimizer import VectorOptimizer
from learn_vectors.options import LearnOptions, TrajectoryRecipe
from learn_vectors.predictions import CONDITIONAL, UNCONDITIONAL, Predictor
from learn_vectors.sites import site_of
from learn_vectors.trajectories import TrajectoryPool


def match_trajectories(
    model: DiffusionModel,
    optimizer: VectorOptimizer,
    options: LearnOptions,
    recipe: TrajectoryRecipe,
    group: Sequence[Concept],
    *,
    saved: State = NOTHING,
    save: Callable[[State], None] = forget,
    processes: Processes = ALONE,
) -> Iterator[float]:
    """Learn the optimizer's values [maps, C, h, w] for concepts learned together, yielding the loss of each step.

    The maps are those of `maps_of`: one of each concept, or two.

    Each step matches, on every trajectory at a timestep that is learned on and at which vectors are added, the steered
    guided prediction to the lesson's target (mean squared error over the squared guidance), takes a step of Adam, and
    samples all trajectories on.
    Related: the score matching of RespoDiff (NeurIPS 2025), which likewise needs no image set.

    Every process takes its share of the rows. A run goes on from the state that was saved.
    """
    if recipe.batch % processes.count:
        raise OptionsError(
            f"a batch of {recipe.batch} cannot be shared evenly by {processes.count} processes: "
            f"give a multiple of {processes.count}"
        )
    rows = range(processes.index, recipe.batch, processes.count)
    pool = TrajectoryPool(model, options, recipe, group, rows=rows)
    if saved:
        optimizer.restore(saved)
        pool.resume(optimizer.step_number, saved["latents"][list(rows)])
    predictor = Predictor(model, pool.all_lessons)
    guidance = recipe.guidance_scale
    start, end = options.applied_at(group[0])
    site = site_of(model, options, group[0])
    maps = maps_of([options.halves_of(concept) for concept in group])
    on = {
        half: placed(maps, conditional=half == CONDITIONAL).to(model.device)
        for half in (CONDITIONAL, UNCONDITIONAL)
    }
    while optimizer.step_number < options.steps_of(group):
        applied = (start <= pool.timesteps) & (pool.timesteps < end)
        strengths = pool.strengths * applied.unsqueeze(1)
        learning = _rows_with(strengths)
        frozen = predictor.frozen(pool, learning, conditional=not on[CONDITIONAL].any())
        predicted = {
            CONDITIONAL: frozen.conditional[learning],
            UNCONDITIONAL: frozen.unconditional[learning],
        } | predictor.steered(
            pool,
            learning,
            site,
            {
                half: torch.einsum("rm,mchw->rchw", strengths[learning] @ places, optimizer.values)
                for half, places in on.items()
                if places.any()
            },
        )
        steered = torch.lerp(predicted[UNCONDITIONAL], predicted[CONDITIONAL], guidance)
        target = torch.lerp(frozen.unconditional[learning], frozen.target, guidance)
        errors = ((steered - target) / guidance).square().mean(dim=(1, 2, 3))
        weights = (pool.weights * pool.in_range)[learning]
        loss, gradient = _reduced(optimizer.values, (errors * weights).sum(), weights.sum(), processes)
        optimizer.step(gradient)
        guided = torch.lerp(frozen.unconditional, frozen.conditional, guidance)
        are_steered = pool.steered.to(learning.device)[learning]
        guided[learning[are_steered]] = steered.detach()[are_steered]
        pool.advance(guided)
        if optimizer.step_number % EVERY_STEPS == 0:
            latents = processes.rows(pool.latents)
            if processes.is_main:
                save(optimizer.state() | {"latents": latents})
        yield loss


def _rows_with(strengths: torch.Tensor) -> torch.Tensor:
    """Return which rows of strengths [rows, concepts] have any, [rows that learn]; where none has, the first."""
    has_any = strengths.any(dim=1)
    has_any[0] |= ~has_any.any()
    return has_any.nonzero().flatten()


def _reduced(
    values: torch.Tensor, total: torch.Tensor, weight: torch.Tensor, processes: Processes
) -> tuple[float, torch.Tensor]:
    """Return the weighted mean of the errors of all processes' rows, and its gradient."""
    (gradient,) = torch.autograd.grad(total, values)
    sums = processes.sum(torch.stack([total.detach(), weight.to(total)]))
    gradient = processes.sum(gradient)
    weights = sums[1].clamp(min=torch.finfo(sums.dtype).tiny)
    return float(sums[0] / weights), gradient / weights
