"""Learning vectors: everything frozen but the vectors themselves.

Entry points: `learn_vectors`, and `prompts_of`, every prompt it will use.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch

from diffusion import DiffusionModel
from diffusion.activation import site_scale
from diffusion.processes import ALONE, Processes
from learn_vectors.checkpoint import Checkpoint, State
from learn_vectors.concepts import Concept
from learn_vectors.errors import DivergedError
from learn_vectors.maps import maps_of
from learn_vectors.noised_images import learn_from_images
from learn_vectors.optimizer import VectorOptimizer
from learn_vectors.options import LearnOptions, PaperRecipe, Recipe, TrajectoryRecipe
from learn_vectors.progress import Progress, silent
from learn_vectors.sites import site_of
from learn_vectors.trajectories import lessons_of
from learn_vectors.trajectory_matching import match_trajectories
from vectors import ConceptPrompts, ConceptVector

LEARNED = "learned-"
"""What a checkpoint calls the maps that are done, each [C, h, w], with their numbers after it."""


def learn_vectors(
    model: DiffusionModel,
    options: LearnOptions,
    progress: Progress = silent,
    checkpoint: Checkpoint | None = None,
    processes: Processes = ALONE,
) -> tuple[ConceptVector, ...]:
    """Learn the vectors that `options` ask for, one group of concepts after another; return them in the given order.

    The same options and seed give the same vectors on one machine, also when a run is interrupted and goes on
    from its checkpoint; several processes learn the same ones to rounding. Raises DivergedError where the loss is
    not finite, OptionsError where the recipe does not fit the model, PromptTooLongError and SiteError.
    """
    recipe = options.recipe
    saved = {} if checkpoint is None else checkpoint.load()
    learned = [saved.pop(name).to(model.device) for name in sorted(saved) if name.startswith(LEARNED)]
    ordered = [concept for group in options.groups for concept in group]
    maps = {concept.name: len(maps_of([options.halves_of(concept)])) for concept in ordered}
    for place, group in enumerate(options.groups):
        before = ordered.index(group[0])
        if sum(maps[concept.name] for concept in ordered[:before]) < len(learned):
            continue
        to_learn = sum(maps[concept.name] for concept in group)
        site = site_of(model, options, group[0])
        channels, *area = model.site_shape(*model.default_size, site)
        if options.channel_only:
            area = [1, 1]
        optimizer = VectorOptimizer(
            torch.zeros(to_learn, channels, *area, device=model.device, requires_grad=True),
            learning_rate=_rate(model, recipe, site),
            steps=options.steps_of(group),
            averaged=0.0 if isinstance(recipe, PaperRecipe) else recipe.averaged_share,
        )

        def save(state: State, done: tuple[torch.Tensor, ...] = tuple(learned)) -> None:
            if checkpoint is not None:
                checkpoint.save(
                    {**state, **{f"{LEARNED}{number:03}": one for number, one in enumerate(done)}}
                )

        losses: Iterator[float]
        if isinstance(recipe, PaperRecipe):
            losses = learn_from_images(
                model, optimizer, options, recipe, progress, saved=saved, save=save, processes=processes
            )
        else:
            losses = match_trajectories(
                model, optimizer, options, recipe, group, saved=saved, save=save, processes=processes
            )
        for loss in losses:
            step = sum(map(options.steps_of, options.groups[:place])) + optimizer.step_number
            if not math.isfinite(loss):
                raise DivergedError(step, loss)
            progress("learning", step, options.total_steps, loss)
        learned.extend(optimizer.result)
        saved = {}
    finished = iter(learned)
    values = {
        concept.name: [options.scale_of(concept) * next(finished) for _ in range(maps[concept.name])]
        for concept in ordered
    }
    return tuple(_vector(model, options, concept, values[concept.name]) for concept in options.concepts)


def prompts_of(model: DiffusionModel, options: LearnOptions) -> tuple[str, ...]:
    """Return every prompt that learning will use, in order and each once; raises OptionsError as learning would."""
    recipe = options.recipe
    if isinstance(recipe, PaperRecipe):
        made = () if recipe.folder else tuple(options.concepts[0].positive)
        prompts = [*made, *options.concepts[0].base_prompts, options.concepts[0].negative_prompt or ""]
    else:
        lessons = [lesson for group in options.groups for lesson in lessons_of(model, options, recipe, group)]
        prompts = [text for lesson in lessons for text in lesson.prompts]
    return tuple(dict.fromkeys(prompt for prompt in prompts if prompt))


def _rate(model: DiffusionModel, recipe: Recipe, site: str) -> float:
    """Return Adam's rate: the authors' is absolute, ours relative to what the vector is added to."""
    if isinstance(recipe, PaperRecipe):
        return recipe.learning_rate
    return recipe.learning_rate * site_scale(model, site)


def _vector(
    model: DiffusionModel, options: LearnOptions, concept: Concept, values: Sequence[torch.Tensor]
) -> ConceptVector:
    described, halves = options.resolved(), options.halves_of(concept)
    group = next(group for group in options.groups if concept in group)
    others = [other.name for other in group if other != concept]
    told = {
        key: described[key] for key in ("contexts", "things", "settings", "channel_only", "seed", "recipe")
    }
    if isinstance(options.recipe, TrajectoryRecipe):
        told["recipe"]["steered_share"] = options.recipe.steered_share_of(concept)
    site = site_of(model, options, concept)
    conditional, *unconditional = (one.expand(model.site_shape(*model.default_size, site)) for one in values)
    return ConceptVector(
        concept=concept.name,
        values=conditional,
        unconditional_values=unconditional[0] if unconditional else None,
        base_model=model.fingerprint,
        site=site,
        halves="both" if halves == "each" else halves,
        timesteps=options.applied_at(concept),
        prompts=ConceptPrompts(
            positive=concept.positive,
            negative=concept.base_prompts,
            negative_prompt=() if concept.negative_prompt is None else (concept.negative_prompt,),
        ),
        training=told | ({"learned_with": others} if others else {}),
    )
