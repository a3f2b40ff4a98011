"""The recipes that are compared: the authors', ours, and one with one thing changed at a time.

Entry points: `variants`, `quick_variants`, and `FAMILIES`, what each learns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from unittest.mock import patch

import torch

from diffusion import DiffusionModel
from diffusion.activation import site_scale
from diffusion.site import BOTTLENECK
from learn_vectors import Concept, LearnOptions, PaperRecipe, TrajectoryRecipe, learn_vectors
from learn_vectors.concepts import Rows
from learn_vectors.lessons import Lesson, draw_lessons
from learn_vectors.optimizer import VectorOptimizer
from learn_vectors.progress import Progress
from learn_vectors.trajectory_matching import match_trajectories
from vectors import ConceptVector

PERSON = "a photo of a person"
FAMILIES: Mapping[str, tuple[Concept, ...]] = {
    "fairness": tuple(
        Concept((f"a photo of {said}",), (PERSON,), name=name)
        for name, said in (
            ("woman", "a woman"),
            ("man", "a man"),
        )
    ),
    "safety": (
        Concept(("a photo of a gorgeous person",), negative_prompt="sexual", name="anti-sexual"),
        Concept(("a photo of an angry person",), negative_prompt="violent", name="anti-violence"),
    ),
}
OURS = TrajectoryRecipe()
VARIED = replace(OURS, steered_share=0.7)
"""What one thing is changed of at a time: ours as it was until the comparison had all of an anti-concept's
trajectories steered."""
THEIRS = "the authors' recipe"
AUTHORS = PaperRecipe(images=64, steps=400)
"""The authors' recipe at the size of the demo model, whose pictures of one prompt differ in less."""

Learn = Callable[[DiffusionModel, Sequence[Concept], int, Progress], Sequence[ConceptVector]]
"""(model, a family's concepts, seed, progress) -> the vectors, in the order of the concepts."""


@dataclass(frozen=True)
class Variant:
    """A way to learn the concepts of the families it is for."""

    name: str
    learn: Learn
    families: tuple[str, ...] = ("fairness", "safety")


def each_apart(
    recipe: TrajectoryRecipe | PaperRecipe,
    model: DiffusionModel,
    concepts: Sequence[Concept],
    seed: int,
    told: Progress,
    **options: Any,
) -> list[ConceptVector]:
    """Learn each concept in a run of its own."""
    return [
        learn_vectors(model, LearnOptions((concept,), recipe=recipe, seed=seed, **options), told)[0]
        for concept in concepts
    ]


def in_one_run(
    recipe: TrajectoryRecipe,
    model: DiffusionModel,
    concepts: Sequence[Concept],
    seed: int,
    told: Progress,
    **options: Any,
) -> Sequence[ConceptVector]:
    """Learn the concepts in one run, in which anti-concepts are learned together."""
    return learn_vectors(model, LearnOptions(tuple(concepts), recipe=recipe, seed=seed, **options), told)


def on(
    halves: Rows, model: DiffusionModel, concepts: Sequence[Concept], seed: int, told: Progress
) -> Sequence[ConceptVector]:
    """Learn by the recipe that is varied for other rows of a guidance pair."""
    return in_one_run(VARIED, model, [replace(concept, halves=halves) for concept in concepts], seed, told)


def minus_baseline(
    recipe: PaperRecipe, model: DiffusionModel, concepts: Sequence[Concept], seed: int, told: Progress
) -> list[ConceptVector]:
    """Learn by the authors' recipe, and take off what a vector that says nothing learns too."""
    baseline = _baseline(recipe, model, seed, told)
    return [
        replace(vector - baseline, prompts=vector.prompts)
        for vector in each_apart(recipe, model, concepts, seed, told)
    ]


def minus_explicit(
    recipe: PaperRecipe, model: DiffusionModel, concepts: Sequence[Concept], seed: int, told: Progress
) -> list[ConceptVector]:
    """Learn the unwanted thing itself by the authors' recipe, less the baseline, and subtract it."""
    baseline = _baseline(recipe, model, seed, told)
    said = [
        Concept((f"a {concept.negative_prompt} photo of a person",), (PERSON,), name=concept.name)
        for concept in concepts
    ]
    return [
        replace(baseline - vector, concept=vector.concept, prompts=vector.prompts)
        for vector in each_apart(recipe, model, said, seed, told)
    ]


def from_bare_word(
    model: DiffusionModel, concepts: Sequence[Concept], seed: int, told: Progress
) -> Sequence[ConceptVector]:
    """Learn by the recipe that is varied, pushed away from the unwanted word by itself, as a negative prompt does."""

    def bare(
        options: LearnOptions, recipe: TrajectoryRecipe, group: Sequence[Concept], count: int
    ) -> list[Lesson]:
        words = [concept.negative_prompt or "" for concept in group]
        return [
            lesson if _is_harmless(lesson) else replace(lesson, target=_away_from(lesson, words, recipe.push))
            for lesson in draw_lessons(options, recipe, group, count)
        ]

    with patch("learn_vectors.trajectories.draw_lessons", bare):
        return in_one_run(VARIED, model, concepts, seed, told)


class _SecondAlone(VectorOptimizer):
    """Of two vectors that are added, the first stays as it is."""

    def step(self, gradient: torch.Tensor) -> None:
        """Take one step of the second."""
        first, second = gradient.chunk(2)
        super().step(torch.cat([torch.zeros_like(first), second]))


def with_alignment(
    model: DiffusionModel, concepts: Sequence[Concept], seed: int, told: Progress
) -> list[ConceptVector]:
    """Learn as the recipe that is varied, and to each vector a second one that brings back what the prompt says.

    After RespoDiff (NeurIPS 2025), whose semantic alignment matches, with both vectors added, the frozen model's
    prediction under the neutral prompt. Both are constants at one site, so that their sum is one vector.
    """
    first = in_one_run(VARIED, model, concepts, seed, told)
    # The concept is there twice, with its vector and with the second one, and has the steps of two.
    gentle = replace(VARIED, steps=VARIED.steps // 4, learning_rate=VARIED.learning_rate / 10)
    steps = 2 * gentle.steps

    def kept(
        options: LearnOptions, recipe: TrajectoryRecipe, group: Sequence[Concept], count: int
    ) -> list[Lesson]:
        drawn = draw_lessons(options, recipe, group[:1], 4 * count)
        to_keep = [lesson for lesson in drawn if _is_harmless(lesson) or not group[0].is_anti]
        return [
            replace(lesson, target=((lesson.prompt, 1.0),), strengths=(1.0, 1.0))
            for lesson in (to_keep * 4)[:count]
        ]

    both = []
    with patch("learn_vectors.trajectories.draw_lessons", kept):
        for concept, vector in zip(concepts, first, strict=True):
            pair = torch.stack([*vector.maps, *map(torch.zeros_like, vector.maps)]).requires_grad_()
            optimizer = _SecondAlone(
                pair,
                learning_rate=gentle.learning_rate * site_scale(model, vector.site),
                steps=steps,
                averaged=gentle.averaged_share,
            )
            options = LearnOptions((concept,), recipe=gentle, seed=seed)
            for loss in match_trajectories(model, optimizer, options, gentle, (concept, concept)):
                told("aligning", optimizer.step_number, steps, loss)
            values, *others = (one + more for one, more in zip(*optimizer.result.chunk(2), strict=True))
            both.append(replace(vector, values=values, unconditional_values=others[0] if others else None))
    return both


def _away_from(lesson: Lesson, words: Sequence[str], push: float) -> tuple[tuple[str, float], ...]:
    """Return a dangerous lesson's target, pushed away from its unwanted word by itself."""
    word = next(word for word in words if any(word in text for text, _ in lesson.target))
    return ((lesson.prompt, 1.0), (word, -push), ("", push))


def _is_harmless(lesson: Lesson) -> bool:
    """Whether an anti-concept's lesson is one of what is to stay as it is."""
    return lesson.target == ((lesson.prompt, 1.0),)


def _baseline(recipe: PaperRecipe, model: DiffusionModel, seed: int, told: Progress) -> ConceptVector:
    nothing = Concept((f"an image of {PERSON.removeprefix('a photo of ')}",), (PERSON,), name="baseline")
    return each_apart(recipe, model, [nothing], seed, told)[0]


def varied(**changes: Any) -> Learn:
    """The recipe that is varied, with some of its settings changed."""
    return partial(in_one_run, replace(VARIED, **changes))


def variants() -> tuple[Variant, ...]:
    """Return what is compared; the first is our default."""
    noisy = replace(AUTHORS, timesteps=(400, 1000), learning_rate=0.2, steps=150)
    safety = ("safety",)
    return (
        Variant("ours", partial(in_one_run, OURS)),
        *(
            Variant(f"{THEIRS} at {rate:g}", partial(each_apart, replace(AUTHORS, learning_rate=rate)))
            for rate in (0.02, 0.05, 0.1, 0.2)
        ),
        Variant(f"{THEIRS}, high timesteps", partial(each_apart, noisy)),
        Variant(f"{THEIRS}, high timesteps, minus baseline", partial(minus_baseline, noisy)),
        Variant(f"{THEIRS}, high timesteps, minus explicit", partial(minus_explicit, noisy), safety),
        Variant("a second vector, for alignment", with_alignment),
        Variant("70% on policy", varied(), safety),
        Variant("on policy", varied(steered_share=1.0), ("fairness",)),
        Variant("off policy", varied(steered_share=0.0)),
        Variant("t from 400", varied(timesteps=(400, 1000))),
        Variant("t from 0", varied(timesteps=(0, 1000))),
        *(
            Variant(
                f"in the bottleneck, {steps} steps",
                partial(in_one_run, replace(VARIED, steps=steps), site=BOTTLENECK),
                safety,
            )
            for steps in (50, 300)
        ),
        Variant("let go at t below 100", partial(in_one_run, VARIED, apply_timesteps=(100, 1000))),
        Variant("on the conditional half", partial(on, "conditional"), safety),
        Variant("on the unconditional half", partial(on, "unconditional"), safety),
        Variant("on both halves", partial(on, "both")),
        Variant("late errors weigh no more", varied(late_weight=1.0), safety),
        Variant("at all timesteps", partial(in_one_run, VARIED, apply_timesteps=(0, 1000)), safety),
        Variant("50 steps", varied(steps=50), safety),
        Variant("60 steps", varied(steps=60)),
        Variant("150 steps", varied(steps=150)),
        Variant("300 steps", varied(steps=300), safety),
        Variant("rate x 0.4", varied(learning_rate=0.4 * VARIED.learning_rate)),
        Variant("each by itself", varied(together_share=0.0), safety),
        Variant("always together", varied(together_share=1.0), safety),
        Variant("no blended nouns", varied(blended_share=0.0), safety),
        Variant("strength 1 alone", varied(least_strength=1.0), safety),
        Variant("away from the bare word", from_bare_word, safety),
        Variant("push x 0.5", varied(push=VARIED.push / 2), safety),
        Variant("push x 1.5", varied(push=VARIED.push * 1.5), safety),
        Variant("no harmless prompts", varied(harmless_share=0.0), safety),
        Variant("harmless x 0.5", varied(harmless_weight=VARIED.harmless_weight / 2), safety),
        Variant("harmless people only", partial(in_one_run, VARIED, things=()), safety),
    )


def quick_variants() -> tuple[Variant, ...]:
    """Return two variants that learn next to nothing: does the comparison work?"""
    few = replace(AUTHORS, images=4, inference_steps=5, steps=4)
    return (
        Variant("ours", partial(in_one_run, replace(OURS, steps=6))),
        Variant(THEIRS, partial(each_apart, few)),
    )
