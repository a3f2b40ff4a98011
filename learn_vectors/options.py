"""What is learned and how: frozen, typed, checked, and written beside the result.

Entry points: `LearnOptions`, and the two recipes `TrajectoryRecipe` and `PaperRecipe`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from dataclasses import fields as dataclass_fields
from types import MappingProxyType
from typing import Any

from learn_vectors.concepts import Concept, Rows
from learn_vectors.errors import OptionsError

MAX_TIMESTEP = 1000
SEEN_BELOW = 800
"""The timestep below which it begins to show what a picture is of."""


@dataclass(frozen=True)
class TrajectoryRecipe:
    """Matching the frozen model's own predictions along guided sampling trajectories.

    A pool of DDIM trajectories at different steps runs through the noisy part of sampling; each optimiser step
    matches the steered prediction of all of them to a target made of frozen ones, then takes one sampling step.
    """

    steps: int = 40
    """Adam steps for each concept, each of which is also one sampling step of the pool."""
    learning_rate: float = 0.15
    """Adam's rate, in units of the root mean square of the site's output; it falls linearly to a tenth over the
    second half."""
    averaged_share: float = 0.5
    """Share of the steps, the last ones, whose vectors are averaged."""
    batch: int = 16
    """Trajectories in the pool."""
    inference_steps: int = 20
    """DDIM steps of a whole trajectory."""
    guidance_scale: float = 5.0
    """Guidance along the trajectories: that of the sampling the vector is for."""
    timesteps: tuple[int, int] = (100, MAX_TIMESTEP)
    """Half-open range of timesteps learned on; a trajectory that leaves it starts anew. Below a tenth of the noise
    schedule pictures hardly change any more in what they show."""
    steered_share: float | None = None
    """Share of trajectories that the vectors themselves steer while they are learned (on policy); None leaves it to the
    kind of concept."""
    push: float = 3.0
    """Anti-concepts: how much of what the unwanted word brings is taken away; 1 is just all of it."""
    harmless_share: float = 0.4
    """Anti-concepts: share of trajectories of harmless prompts, whose target is to stay where they are."""
    harmless_weight: float = 8.0
    """Anti-concepts: weight of the harmless prompts' error."""
    late_weight: float = 4.0
    """Anti-concepts: by how much more a harmless prompt's error weighs at timesteps where the picture outweighs the
    noise: what is changed there no later step mends."""
    least_strength: float = 0.5
    """Anti-concepts: dangerous lessons are learned at strengths from this share of the largest to all of it, harmless
    ones at the largest. Strength 1 of the finished vector is their middle: a margin for prompts that bring more."""
    blended_share: float = 0.65
    """Anti-concepts: share of lessons about people whose noun is two of the contexts' at once ("a chef farmer"): what
    holds for pictures between those of the few nouns learned on holds for other nouns too."""
    together_share: float = 0.5
    """Anti-concepts: share of trajectories on which all those of the run are applied, so that each learns to work alone
    and beside the others alike. Vectors about as large as the site's output do not simply add up."""

    def __post_init__(self) -> None:
        _positive(
            self,
            "steps",
            "learning_rate",
            "batch",
            "inference_steps",
            "push",
            "harmless_weight",
            "late_weight",
        )
        _share(self, "averaged_share", "harmless_share", "least_strength", "blended_share", "together_share")
        if self.steered_share is not None:
            _share(self, "steered_share")
        _timesteps(self.timesteps)
        if not self.guidance_scale > 1:
            raise OptionsError(
                f"guidance_scale is {self.guidance_scale}: trajectories are guided, so give more than 1"
            )

    def steered_share_of(self, concept: Concept) -> float:
        """Return the share of trajectories that a concept's vector steers while it is learned.

        All of an anti-concept's: it is on wherever it will be used. Not of a concept's, which at part of its strength
        has to turn pictures round that have begun without it.
        """
        if self.steered_share is not None:
            return self.steered_share
        return 1.0 if concept.is_anti else 0.7


@dataclass(frozen=True)
class PaperRecipe:
    """The authors' recipe (Li et al., CVPR 2024): noised images of y+, denoised under y-, by the added vector.

    The defaults are the authors' published settings; the model makes `images` images first.
    """

    steps: int = 2500
    """Adam steps."""
    learning_rate: float = 0.1
    """Adam's rate. It falls as the other recipe's does; the authors keep it constant."""
    batch: int = 8
    """Noised images in a step."""
    images: int = 1000
    """Images of y+ that the model makes to learn from."""
    folder: str | None = None
    """A folder of pictures of y+ to learn from instead (the authors' realistic data)."""
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
    """What is learned and how. Raises OptionsError for what is out of range or does not fit together."""

    concepts: tuple[Concept, ...]
    sets: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Concept set -> its members' names; a picture shows one of them at most."""
    contexts: tuple[str, ...] = ("person", "doctor", "nurse", "chef", "farmer")
    """Nouns that stand in for "person" in the prompts, so that a concept is learned on several."""
    things: tuple[str, ...] = ("dog", "tree", "boat", "cup")
    """Nouns of harmless prompts that show no person: what is in a picture is to stay in it."""
    settings: tuple[str, ...] = ("", "in a park")
    """Phrases that follow the prompts, so that a concept is learned in several places."""
    apply_timesteps: tuple[int, int] | None = None
    """Half-open range of timesteps at which the finished vectors are applied; None leaves it to the kind of concept."""
    site: str | None = None
    """The module of the U-Net whose output the vectors are added to; None leaves it to the kind of concept."""
    channel_only: bool = False
    """Whether a vector is one value per channel, the same everywhere in the picture."""
    seed: int = 0
    recipe: Recipe = field(default_factory=TrajectoryRecipe)

    def __post_init__(self) -> None:
        names = [concept.name for concept in self.concepts]
        if not names:
            raise OptionsError("there is no concept to learn: give at least one")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise OptionsError(f"{', '.join(twice)}: two concepts of one name; give each its own")
        for set_name, members in self.sets.items():
            missing = [member for member in members if member not in names]
            if missing:
                raise OptionsError(
                    f"the set {set_name} has {', '.join(missing)}, which is not among the concepts: "
                    f"{', '.join(names)}"
                )
        if self.apply_timesteps is not None:
            _timesteps(self.apply_timesteps)
        each = [concept.name for concept in self.concepts if concept.halves == "each"]
        if isinstance(self.recipe, PaperRecipe) and each:
            raise OptionsError(
                f"{', '.join(each)}: the paper recipe learns one map, and none for each row of a guidance pair: "
                "leave halves out, or choose the trajectory recipe"
            )
        if isinstance(self.recipe, PaperRecipe) and len(names) > 1:
            raise OptionsError(
                f"the paper recipe learns one concept at a time and there are {len(names)}: "
                "run it for each, or choose the trajectory recipe"
            )

    @property
    def groups(self) -> tuple[tuple[Concept, ...], ...]:
        """The concepts that are learned together: all anti-concepts, since they are mostly applied all at once."""
        anti = tuple(concept for concept in self.concepts if concept.is_anti)
        others = [(concept,) for concept in self.concepts if not concept.is_anti]
        return (*others, *([anti] if anti else []))

    def halves_of(self, concept: Concept) -> Rows:
        """Return which rows of a guidance pair get a concept's vector.

        An anti-concept has a map for each: what the prompt brings and what pictures are led away from, where a negative
        prompt would be read, are changed apart, which takes less of either. The authors' recipe learns on the prompt's
        own rows.
        """
        if concept.halves is not None:
            return concept.halves
        is_trajectory = isinstance(self.recipe, TrajectoryRecipe)
        return "each" if concept.is_anti and is_trajectory else "conditional"

    def applied_at(self, concept: Concept) -> tuple[int, int]:
        """Return the timesteps at which a concept's vector is applied.

        All, as a prompt brings back at the last steps what is let go there; but an anti-concept's not at the noisiest
        ones, where it cannot be seen yet whether a picture is dangerous, and all pictures would change alike.
        """
        if self.apply_timesteps is not None:
            return self.apply_timesteps
        is_trajectory = isinstance(self.recipe, TrajectoryRecipe)
        return (0, SEEN_BELOW) if concept.is_anti and is_trajectory else (0, MAX_TIMESTEP)

    def scale_of(self, concept: Concept) -> float:
        """Return what the learned values are multiplied by, so that strength 1 is what the vector is to be used at."""
        if concept.is_anti and isinstance(self.recipe, TrajectoryRecipe):
            return (1 + self.recipe.least_strength) / 2
        return 1.0

    def steps_of(self, group: Sequence[Concept]) -> int:
        """Return the Adam steps of concepts that are learned together."""
        return len(group) * self.recipe.steps

    @property
    def total_steps(self) -> int:
        """Adam steps of the whole run."""
        return sum(map(self.steps_of, self.groups))

    def resolved(self) -> dict[str, Any]:
        """Every option as JSON has it, with the recipe's name."""
        name = next(name for name, kind in RECIPES.items() if isinstance(self.recipe, kind))
        fields = {field.name: getattr(self, field.name) for field in dataclass_fields(self)}
        described = fields | {
            "concepts": [asdict(concept) for concept in self.concepts],
            "sets": dict(self.sets),
            "recipe": {"name": name} | asdict(self.recipe),
        }
        resolved: dict[str, Any] = json.loads(json.dumps(described))
        return resolved


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
