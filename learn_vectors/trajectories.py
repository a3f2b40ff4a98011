"""A pool of guided DDIM trajectories at different steps: where the vector is learned.

Entry point: `TrajectoryPool`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from diffusion import DiffusionModel
from diffusion.schedules import ddim_step, ddim_timesteps
from learn_vectors.errors import OptionsError
from learn_vectors.lessons import Lesson
from learn_vectors.options import TrajectoryRecipe


class TrajectoryPool:
    """Rows that each sample one lesson's prompt, and start anew with another lesson when they leave the range.

    `latents` is [rows, c, h, w] on the model's device; `lessons[row]` what the row is about; `steered[row]`
    whether the vector steers its sampling. All randomness comes from one generator on the CPU.
    """

    def __init__(
        self,
        model: DiffusionModel,
        lessons: Sequence[Lesson],
        recipe: TrajectoryRecipe,
        generator: torch.Generator,
    ) -> None:
        self._model, self._choices, self._recipe, self._generator = model, lessons, recipe, generator
        self._shares = torch.tensor([lesson.share for lesson in lessons])
        timesteps, previous = ddim_timesteps(model, recipe.inference_steps)
        start, end = recipe.timesteps
        within = (timesteps >= start) & (timesteps < end)
        if not within.any():
            raise OptionsError(
                f"none of the {recipe.inference_steps} sampling steps is at a timestep in {start} to {end}"
            )
        # A trajectory always begins at the noisiest step, also where it is not learned on.
        self._length = int(within.nonzero().max()) + 1
        self._timesteps, self._previous = timesteps[: self._length], previous[: self._length]
        self.learned = within[: self._length].to(model.device)
        rows = recipe.batch
        self.latents = torch.empty(rows, *model.latent_shape(*model.default_size), device=model.device)
        self.positions = torch.zeros(rows, dtype=torch.long, device=model.device)
        self.steered = torch.zeros(rows, dtype=torch.bool)
        self.lessons: list[Lesson] = [lessons[0]] * rows
        # First lives of different lengths spread the rows over the steps.
        self._steps_left = 1 + torch.randint(self._length, (rows,), generator=generator)
        self._restart(range(rows))

    @property
    def timesteps(self) -> torch.Tensor:
        """The timestep of each row, [rows]."""
        return self._timesteps[self.positions]

    @property
    def in_range(self) -> torch.Tensor:
        """Whether each row is at a timestep that is learned on, [rows] bool."""
        return self.learned[self.positions]

    def advance(self, guided: torch.Tensor) -> None:
        """Take one DDIM step with guided predictions [rows, c, h, w], and start finished rows anew."""
        self.latents = ddim_step(
            self.latents, guided, self.timesteps, self._previous[self.positions], self._model
        )
        self.positions += 1
        self._steps_left -= 1
        finished = self._steps_left.eq(0).nonzero().flatten().tolist()
        if finished:
            self._steps_left[finished] = self._length
            self._restart(finished)

    def _restart(self, rows: Sequence[int]) -> None:
        for row in rows:
            choice = int(torch.multinomial(self._shares, 1, generator=self._generator))
            self.lessons[row] = self._choices[choice]
            self.steered[row] = torch.rand((), generator=self._generator) < self._recipe.steered_share
            self.latents[row] = torch.randn(self.latents.shape[1:], generator=self._generator).to(
                self.latents
            )
            self.positions[row] = 0
