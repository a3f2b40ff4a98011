"""One image on its way: what it asks for, and where it stands.

Entry points: `Order` (what is to be made), `InFlight` (an order whose row is on the device).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from diffusion.passes import Pass
from diffusion.prompt_cache import Text
from diffusion.rows import AppliedVector, Row, Sampling
from diffusion.schedules import Schedule
from vectors import StoredVector


@dataclass(frozen=True, eq=False)
class Order:
    """One image to be made, checked and complete: nothing more is looked up for it."""

    row: Row
    sampling: Sampling
    schedule: Schedule
    latent_shape: tuple[int, int, int]
    """(c, h, w)."""
    vectors: Mapping[str, StoredVector]
    """By the names that the row's steering uses, without those of strength 0."""
    passes: tuple[Pass, ...]

    @property
    def applied(self) -> tuple[AppliedVector, ...]:
        """The record of its steering."""
        return tuple(
            AppliedVector(stored.name, stored.version, stored.digest, self.row.steering[name])
            for name, stored in self.vectors.items()
        )

    def text(self, one: Pass) -> Text:
        """What a pass reads."""
        if one.is_conditional:
            return Text(self.row.prompt, is_negative=False)
        return Text(self.row.negative_prompt, is_negative=True)


@dataclass(frozen=True)
class HeldVector:
    """One vector of an image on the device."""

    site: str
    digest: str
    """By which it lies among the resident vectors of its site."""
    strength: float
    active: Sequence[bool]
    """Whether it is added, step by step."""
    on_conditional: bool
    """Whether it goes on the rows that read the prompt."""
    on_unconditional: bool
    """Whether it goes on those that read the negative prompt."""


@dataclass(eq=False)
class InFlight:
    """An order on the device."""

    order: Order
    slot: int
    """Its place among the latents of its shape."""
    generator: torch.Generator
    """Of its noise, on the CPU."""
    held: tuple[HeldVector, ...]
    step: int = field(default=0)
    """How many steps are done."""

    @property
    def is_finished(self) -> bool:
        """Whether its latents are those of the image."""
        return self.step == self.order.schedule.num_steps

    def draw(self) -> torch.Tensor:
        """Draw normal noise [c, h, w], the next of this image."""
        return torch.randn(self.order.latent_shape, generator=self.generator)
