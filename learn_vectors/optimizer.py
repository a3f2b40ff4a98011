"""Adam for vectors, with its state in named tensors and the average of its last steps.

Entry point: `VectorOptimizer`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch


class VectorOptimizer:
    """Adam on one tensor; the result is the average of the values over the last `averaged` share of the steps.

    The rate falls linearly to a tenth over the second half. Averaging (Polyak and Juditsky, 1992) takes out of
    the vector what the last few random rows happened to say: the same effect at a smaller norm.
    """

    def __init__(self, values: torch.Tensor, *, learning_rate: float, steps: int, averaged: float) -> None:
        self.values, self._rate, self._steps = values, learning_rate, steps
        self._averaged_from = int(steps * (1 - averaged))
        self._adam = torch.optim.Adam([values], lr=learning_rate)
        self._sum = torch.zeros_like(values)
        self.step_number = 0

    def step(self, gradient: torch.Tensor) -> None:
        """Take one step."""
        self.values.grad = gradient
        for group in self._adam.param_groups:
            group["lr"] = self._rate * _decay(self.step_number, self._steps)
        self._adam.step()
        if self.step_number >= self._averaged_from:
            self._sum += self.values.detach()
        self.step_number += 1

    @property
    def result(self) -> torch.Tensor:
        """The values averaged; as they are where no step of the average was taken yet."""
        counted = self.step_number - self._averaged_from
        return self._sum / counted if counted > 0 else self.values.detach()

    def state(self) -> dict[str, torch.Tensor]:
        """Everything that decides how it goes on."""
        moments = self._adam.state[self.values]
        return {
            "values": self.values.detach(),
            "sum": self._sum,
            "step": torch.tensor(self.step_number),
            **{f"adam.{name}": value for name, value in moments.items()},
        }

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on from a saved state."""
        with torch.no_grad():
            self.values.copy_(state["values"])
            self._sum.copy_(state["sum"])
        self.step_number = int(state["step"])
        moments = {
            name.removeprefix("adam."): value for name, value in state.items() if name.startswith("adam.")
        }
        self._adam.state[self.values] = {
            name: value if name == "step" else value.to(self.values) for name, value in moments.items()
        }


def _decay(step: int, steps: int) -> float:
    """Return the rate's factor: 1 over the first half, then linearly down to a tenth."""
    return min(1.0, 1 - 0.9 * (2 * step / steps - 1))
