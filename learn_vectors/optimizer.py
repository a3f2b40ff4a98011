"""Adam for vectors, with its state in named tensors and the average of its last steps.

Entry point: `VectorOptimizer`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

_BETAS = (0.9, 0.999)
"""Adam's decay rates of the two moments (Kingma and Ba, 2015)."""
_EPSILON = 1e-12
"""Keeps it from dividing by nothing. Far below any gradient: in a large model each value's is small."""


class VectorOptimizer:
    """Adam on the maps of one tensor; the result is the average of its values over the last `averaged` share of steps.

    With `one_rate` all values of a map share the mean of their squared gradients, as blocks do in Adam-mini (Zhang
    et al., 2024): each is moved by as much as the rows agree on it, where Adam would scale up what is noise alone.
    The rate falls linearly to a tenth over the second half. Averaging (Polyak and Juditsky, 1992) takes out of
    the vector what the last few random rows happened to say: the same effect at a smaller norm.
    """

    def __init__(
        self, values: torch.Tensor, *, learning_rate: float, steps: int, averaged: float, one_rate: bool
    ) -> None:
        """`values` is [maps, C, h, w] and changed in place; the rate is absolute."""
        self.values, self._rate, self._steps, self._one_rate = values, learning_rate, steps, one_rate
        self._averaged_from = int(steps * (1 - averaged))
        self._mean = torch.zeros_like(values)
        self._square = torch.zeros_like(values)
        self._sum = torch.zeros_like(values)
        self.step_number = 0

    @torch.no_grad()
    def step(self, gradient: torch.Tensor) -> None:
        """Take one step."""
        number = self.step_number + 1
        square = gradient.square()
        if self._one_rate:
            square = square.mean(dim=(1, 2, 3), keepdim=True)
        self._mean.lerp_(gradient, 1 - _BETAS[0])
        self._square.lerp_(square.expand_as(gradient), 1 - _BETAS[1])
        mean, square = self._mean / (1 - _BETAS[0] ** number), self._square / (1 - _BETAS[1] ** number)
        self.values -= self._rate * _decay(self.step_number, self._steps) * mean / (square.sqrt() + _EPSILON)
        if self.step_number >= self._averaged_from:
            self._sum += self.values
        self.step_number = number

    @property
    def result(self) -> torch.Tensor:
        """The values averaged; as they are where no step of the average was taken yet."""
        counted = self.step_number - self._averaged_from
        return self._sum / counted if counted > 0 else self.values.detach()

    def state(self) -> dict[str, torch.Tensor]:
        """Everything that decides how it goes on."""
        return self._tensors() | {"step": torch.tensor(self.step_number)}

    @torch.no_grad()
    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on from a saved state."""
        for name, tensor in self._tensors().items():
            tensor.copy_(state[name])
        self.step_number = int(state["step"])

    def _tensors(self) -> dict[str, torch.Tensor]:
        return {
            "values": self.values.detach(),
            "mean": self._mean,
            "square": self._square,
            "sum": self._sum,
        }


def _decay(step: int, steps: int) -> float:
    """Return the rate's factor: 1 over the first half, then linearly down to a tenth."""
    return min(1.0, 1 - 0.9 * (2 * step / steps - 1))
