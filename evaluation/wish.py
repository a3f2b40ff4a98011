"""A wish: one picture that an evaluation wants, whatever method is to make it.

Entry points: `Wish`, `wishes_for`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from diffusion import Sampling
from evaluation.prompts import Prompt


@dataclass(frozen=True)
class Wish:
    """A picture of a prompt that is to show some concepts, or for an anti-concept to be without something."""

    prompt: Prompt
    seed: int
    sampling: Sampling
    concepts: tuple[str, ...] = ()
    """The concepts wanted; none for the picture as the model makes it."""
    strength: float = 1.0
    """How strongly they are wanted, as a multiple of what is recommended for each."""


def wishes_for(
    prompts: Sequence[Prompt],
    images_per_prompt: int,
    sampling: Sampling,
    seed: int,
    *,
    choices: Sequence[tuple[str, ...]] = ((),),
    strength: float = 1.0,
) -> tuple[Wish, ...]:
    """Return the wishes for so many pictures of each prompt, the choices of concepts taken in turn.

    Picture i of a prompt has the seed `seed + i`, or, where the prompt brings a seed or guidance of its own,
    counts from that seed and is made with that guidance.
    """
    return tuple(
        Wish(
            prompt,
            (seed if prompt.seed is None else prompt.seed) + number,
            sampling
            if prompt.guidance_scale is None
            else replace(sampling, guidance_scale=prompt.guidance_scale),
            choices[number % len(choices)],
            strength,
        )
        for prompt in prompts
        for number in range(images_per_prompt)
    )
