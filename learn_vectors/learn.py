"""Learning one vector: everything frozen but the vector itself.

Entry point: `learn_vector`.
"""

from __future__ import annotations

import math

import torch

from diffusion import DiffusionModel
from learn_vectors.errors import DivergedError
from learn_vectors.noised_images import learn_from_images
from learn_vectors.options import LearnOptions, TrajectoryRecipe
from learn_vectors.progress import Progress, silent
from learn_vectors.trajectory_matching import match_trajectories
from vectors import ConceptPrompts, ConceptVector


def learn_vector(model: DiffusionModel, options: LearnOptions, progress: Progress = silent) -> ConceptVector:
    """Learn the vector that `options` ask for; the same options and seed give the same vector on one machine.

    Raises DivergedError where the loss is not finite, OptionsError where the recipe does not fit the model,
    PromptTooLongError and SiteError.
    """
    torch.manual_seed(options.seed)
    shape = model.site_shape(*model.default_size, options.site)
    values = torch.zeros(shape, device=model.device, requires_grad=True)
    recipe = options.recipe
    if isinstance(recipe, TrajectoryRecipe):
        losses = match_trajectories(model, values, options, recipe)
    else:
        losses = learn_from_images(model, values, options, recipe, progress)
    for step, loss in enumerate(losses, start=1):
        if not math.isfinite(loss):
            raise DivergedError(step, loss)
        progress("learning", step, recipe.steps, loss)
    return ConceptVector(
        concept=options.name,
        values=values,
        base_model=model.fingerprint,
        site=options.site,
        timesteps=options.apply_timesteps,
        recommended_strength=options.strength,
        prompts=ConceptPrompts(
            positive=options.positive,
            negative=options.base_prompts,
            negative_prompt=() if options.negative_prompt is None else (options.negative_prompt,),
        ),
        training={key: value for key, value in options.resolved().items() if key not in _IN_THE_VECTOR},
    )


_IN_THE_VECTOR = ("positive", "negative", "negative_prompt", "name", "site", "apply_timesteps", "strength")
