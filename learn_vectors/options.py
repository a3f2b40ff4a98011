"""What is learned and how: frozen, typed, checked, and written beside the result.

Entry points: `LearnOptions`, and the two recipes `TrajectoryRecipe` and `PaperRecipe`.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from learn_vectors.errors import OptionsError

MAX_TIMESTEP = 1000


@dataclass(frozen=True)
class TrajectoryRecipe:
    """Matching the frozen model's own predictions along guided sampling trajectories.

    A pool of DDIM trajectories at different steps runs through the noisy part of sampling; each optimiser step
    matches the steered prediction of all of them to a target made of frozen ones, then takes one sampling step.
    """

    steps: int = 150
    """Adam steps, each of which is also one sampling step of the pool."""
    learning_rate: float = 0.2
    """Adam's rate; it falls linearly to a tenth over the second half."""
    batch: int = 16
    """Trajectories in the pool."""
    inference_steps: int = 20
    """DDIM steps of a whole trajectory."""
    guidance_scale: float = 5.0
    """Guidance along the trajectories: that of the sampling the vector is for."""
    timesteps: tuple[int, int] = (400, MAX_TIMESTEP)
    """Half-open range of timesteps learned on; a trajectory that leaves it starts anew."""
    steered_share: float = 0.7
    """Share of trajectories that the vector itself steers while it is learned."""
    eta: float = 1.6
    """Anti-concepts: how far the target is pushed away from the negative prompt. 1 - 1 / guidance is what a
    negative prompt does; more is stronger."""
    harmless_share: float = 0.4
    """Anti-concepts: share of trajectories of harmless prompts, whose target is to stay where they are."""

    def __post_init__(self) -> None:
        _positive(self, "steps", "learning_rate", "batch", "inference_steps")
        _share(self, "steered_share", "harmless_share")
        _timesteps(self.timesteps)
        if not self.guidance_scale > 1:
            raise OptionsError(
                f"guidance_scale is {self.guidance_scale}: trajectories are guided, so give more than 1"
            )
        if not self.eta >= 0:
            raise OptionsError(f"eta is {self.eta}: give 0 or more; 1.6 suits most anti-concepts")


@dataclass(frozen=True)
class PaperRecipe:
    """The authors' recipe (Li et al., CVPR 2024): noised images of y+, denoised under y-, by the added vector.

    The defaults are the authors' published settings; the model makes `images` images first.
    """

    steps: int = 2500
    """Adam steps."""
    learning_rate: float = 0.1
    """Adam's rate, constant."""
    batch: int = 8
    """Noised images in a step."""
    images: int = 1000
    """Images of y+ that are learned from."""
    inference_steps: int = 30
    """PNDM steps of each image."""
    guidance_scale: float = 7.5
    """Guidance of the images."""
    timesteps: tuple[int, int] = (0, MAX_TIMESTEP)
    """Half-open range of timesteps learned on, drawn uniformly."""

    def __post_init__(self) -> None:
        _positive(self, "steps", "learning_rate", "batch", "images", "inference_steps", "guidance_scale")
        _timesteps(self.timesteps)


Recipe = TrajectoryRecipe | PaperRecipe
RECIPES: Mapping[str, type[Recipe]] = {"trajectory": TrajectoryRecipe, "paper": PaperRecipe}


@dataclass(frozen=True)
class LearnOptions:
    """What is learned: the concept that `positive` states and `negative` leaves open.

    With a `negative_prompt` it is an anti-concept: `positive` are prompts that the unwanted thing comes with, and
    the vector takes the place of the negative prompt; `negative` may be left out.
    Raises OptionsError for what is out of range or does not fit together.
    """

    positive: tuple[str, ...]
    negative: tuple[str, ...] = ()
    negative_prompt: str | None = None
    name: str = ""
    """The concept's name; "" makes one from the prompts."""
    contexts: tuple[str, ...] = ("person", "doctor", "nurse", "chef", "farmer")
    """Nouns that stand in for "person" in the prompts, so that the concept is learned on several."""
    settings: tuple[str, ...] = ("", "in a park")
    """Phrases that follow the prompts, so that the concept is learned in several places."""
    apply_timesteps: tuple[int, int] = (0, MAX_TIMESTEP)
    """Half-open range of timesteps at which the finished vector is applied."""
    strength: float = 1.0
    """The strength that the vector's file recommends."""
    site: str = "mid_block"
    seed: int = 0
    recipe: Recipe = field(default_factory=TrajectoryRecipe)

    def __post_init__(self) -> None:
        if not self.positive or not all(prompt.strip() for prompt in self.positive):
            raise OptionsError("there is no positive prompt: give at least one, such as 'a photo of a woman'")
        if self.negative_prompt is None:
            if len(self.negative) != len(self.positive):
                raise OptionsError(
                    f"{len(self.positive)} positive and {len(self.negative)} negative prompts: give each positive "
                    "prompt its negative one ('a photo of a woman', 'a photo of a person'), or a negative prompt"
                )
            for positive, negative in zip(self.positive, self.negative, strict=True):
                if positive.split() == negative.split():
                    raise OptionsError(
                        f"{positive!r} is both positive and negative: there is nothing to learn"
                    )
        elif not self.negative_prompt.strip():
            raise OptionsError(
                "the negative prompt is empty: say what the vector is against, such as 'violent'"
            )
        elif self.negative and len(self.negative) != len(self.positive):
            raise OptionsError(
                f"{len(self.positive)} positive and {len(self.negative)} negative prompts: give as many"
            )
        _timesteps(self.apply_timesteps)
        _positive(self, "strength")
        if not self.name:
            object.__setattr__(self, "name", self._derived_name())

    @property
    def is_anti(self) -> bool:
        """Whether an anti-concept is learned."""
        return self.negative_prompt is not None

    @property
    def base_prompts(self) -> tuple[str, ...]:
        """The prompts y-, one of each positive one: an anti-concept's default to the positive ones themselves."""
        return self.negative or self.positive

    def resolved(self) -> dict[str, Any]:
        """Every option as JSON-able data, with the recipe's name."""
        name = next(name for name, kind in RECIPES.items() if isinstance(self.recipe, kind))
        return asdict(self) | {"recipe": {"name": name} | asdict(self.recipe)}

    def _derived_name(self) -> str:
        """Make a name of the words that the prompts differ in."""
        if self.negative_prompt is not None:
            return _slug(f"anti {self.negative_prompt}")
        old, new = self.negative[0].split(), self.positive[0].split()
        matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
        words = [
            word
            for tag, _, _, start, end in matcher.get_opcodes()
            if tag != "equal"
            for word in new[start:end]
        ]
        return _slug(" ".join(word for word in words if word not in ("a", "an")) or self.positive[0])


def _slug(words: str) -> str:
    """Turn words into a concept's name."""
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:64].rstrip("-") or "concept"


def _positive(options: object, *names: str) -> None:
    for name in names:
        value = getattr(options, name)
        if not value > 0 or not math.isfinite(value):
            raise OptionsError(f"{name} is {value}: give a number above 0")


def _share(options: object, *names: str) -> None:
    for name in names:
        value = getattr(options, name)
        if not 0 <= value <= 1:
            raise OptionsError(f"{name} is {value}: give a share between 0 and 1")


def _timesteps(timesteps: tuple[int, int]) -> None:
    start, end = timesteps
    if not 0 <= start < end <= MAX_TIMESTEP:
        raise OptionsError(
            f"timesteps {start} to {end}: give a start and a later end within 0 to {MAX_TIMESTEP}"
        )
