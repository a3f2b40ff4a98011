"""A pool of guided DDIM trajectories at different steps: where the vectors are learned.

Entry points: `TrajectoryPool`, and `lessons_of`, all that learning a concept will be about.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from diffusion import DiffusionModel
from diffusion.schedules import ddim_step, ddim_timesteps
from learn_vectors.concepts import Concept
from learn_vectors.errors import OptionsError
from learn_vectors.lessons import Lesson, draw_lessons
from learn_vectors.options import LearnOptions, TrajectoryRecipe


class TrajectoryPool:
    """Rows that each sample one lesson's prompt, and start anew with another when they leave the learned range.

    `latents` is [rows, c, h, w] on the model's device. Everything else follows from the options, the row's number
    and the step: which lesson it is at, from which noise it began, where it stands. So rows can be shared out
    among processes, and a run can go on from its latents.
    """

    def __init__(
        self,
        model: DiffusionModel,
        options: LearnOptions,
        recipe: TrajectoryRecipe,
        group: Sequence[Concept],
        *,
        rows: Sequence[int] | None = None,
    ) -> None:
        self._model, self._seed, self._batch = model, options.seed, recipe.batch
        self._rows = list(range(recipe.batch)) if rows is None else list(rows)
        self._timesteps, self._previous = ddim_timesteps(model, recipe.inference_steps)
        self._learned = _learned(self._timesteps, recipe)
        self._late = _late(self._timesteps, model)
        self._length = _length(self._learned)
        self._lessons = lessons_of(model, options, recipe, group)
        generator = torch.Generator().manual_seed(options.seed)
        steered_share = recipe.steered_share_of(group[0])
        self._steered = torch.rand(len(self._lessons), generator=generator) < steered_share
        # First lives of different lengths spread the rows evenly over the steps.
        order = torch.randperm(recipe.batch, generator=generator)
        self._first_lengths = 1 + order * self._length // recipe.batch
        self.step = 0
        self.latents = torch.stack([self._noise(row) for row in self._rows]).to(model.device)

    @property
    def all_lessons(self) -> Sequence[Lesson]:
        """Every lesson there will be."""
        return self._lessons

    @property
    def lessons(self) -> Sequence[Lesson]:
        """What each row is about."""
        return [self._lessons[number] for number in self._numbers()]

    @property
    def steered(self) -> torch.Tensor:
        """Whether the vectors steer each row's sampling, [rows] bool."""
        return self._steered[self._numbers()]

    @property
    def weights(self) -> torch.Tensor:
        """The weight of each row's error, [rows]."""
        weights = [
            lesson.late_weight if is_late else lesson.weight
            for lesson, is_late in zip(self.lessons, self._late[self._positions()].tolist(), strict=True)
        ]
        return torch.tensor(weights, device=self.latents.device)

    @property
    def strengths(self) -> torch.Tensor:
        """The strength at which each concept's vector is added to each row, [rows, concepts]."""
        return torch.tensor([lesson.strengths for lesson in self.lessons], device=self.latents.device)

    @property
    def timesteps(self) -> torch.Tensor:
        """The timestep of each row, [rows]."""
        return self._timesteps[self._positions()]

    @property
    def in_range(self) -> torch.Tensor:
        """Whether each row is at a timestep that is learned on, [rows] bool."""
        return self._learned[self._positions()]

    def resume(self, step: int, latents: torch.Tensor) -> None:
        """Go on at a step with the latents it began with."""
        self.step, self.latents = step, latents.to(self.latents)

    def advance(self, guided: torch.Tensor) -> None:
        """Take one DDIM step with guided predictions [rows, c, h, w], and start finished rows anew."""
        previous = self._previous[self._positions()]
        self.latents = ddim_step(self.latents, guided, self.timesteps, previous, self._model)
        self.step += 1
        for place, (number, position) in enumerate(zip(self._numbers(), self._positions(), strict=True)):
            if position == 0:
                self.latents[place] = self._noise(number).to(self.latents)

    def _lives(self) -> list[tuple[int, int]]:
        """Return which life each row is in, and its position in that."""
        lives = []
        for row in self._rows:
            since_first = self.step - int(self._first_lengths[row])
            if since_first < 0:
                lives.append((0, self.step))
            else:
                lives.append((1 + since_first // self._length, since_first % self._length))
        return lives

    def _numbers(self) -> list[int]:
        """Return the number of each row's trajectory among all of them."""
        return [life * self._batch + row for row, (life, _) in zip(self._rows, self._lives(), strict=True)]

    def _positions(self) -> list[int]:
        return [position for _, position in self._lives()]

    def _noise(self, number: int) -> torch.Tensor:
        """Return the noise that a trajectory begins with, [c, h, w] on the CPU."""
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + number)
        return torch.randn(self._model.latent_shape(*self._model.default_size), generator=generator)


def lessons_of(
    model: DiffusionModel, options: LearnOptions, recipe: TrajectoryRecipe, group: Sequence[Concept]
) -> list[Lesson]:
    """Draw the lessons of all trajectories that are sampled for concepts learned together, by their number.

    Raises OptionsError where no sampling step is at a timestep that is learned on.
    """
    timesteps, _ = ddim_timesteps(model, recipe.inference_steps)
    # Every row has a first life, which may be shorter, and may end in the midst of one.
    lives = 2 + options.steps_of(group) // _length(_learned(timesteps, recipe))
    return draw_lessons(options, recipe, group, lives * recipe.batch)


def _learned(timesteps: torch.Tensor, recipe: TrajectoryRecipe) -> torch.Tensor:
    """Return whether each step of a trajectory is learned on, [steps] bool."""
    start, end = recipe.timesteps
    within = (timesteps >= start) & (timesteps < end)
    if not within.any():
        raise OptionsError(
            f"none of the {len(timesteps)} sampling steps is at a timestep in {start} to {end}"
        )
    return within


def _late(timesteps: torch.Tensor, model: DiffusionModel) -> torch.Tensor:
    """Return whether the picture outweighs the noise at each step of a trajectory, [steps] bool: alpha-bar > 1/2."""
    return model.alphas_cumprod[timesteps].cpu() > 0.5


def _length(learned: torch.Tensor) -> int:
    """Return the steps of a trajectory: it begins at the noisiest one, also where that is not learned on."""
    return int(learned.nonzero().max()) + 1
