"""What a row asks of the device, told before it runs. Pure: no torch.

Entry points: `Ticket`, `area_weight`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Shape = tuple[int, int]
"""The height and width of latents."""

ATTENTION_SHARE = 0.13
"""The part of a U-Net's operations, at its model's own size, that self-attention spends on pairs of pixels."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A row as the queue sees it: whose it is, with which rows it can step, and what it costs.

    Raises ValueError for numbers that describe no row.
    """

    key: int
    """Names the row; no two rows that are here at once share it."""
    tenant: str
    shape: Shape
    unet_rows: int
    """What one step of the row takes of the U-Net's batch: 1 without guidance, 2 with it, 3 or 4 where the
    steered and the unsteered step are averaged."""
    steps: int
    area: float = 1.0
    """The work of one U-Net row at this shape, as `area_weight` gives it."""
    deadline_s: float | None = None
    """The time by which the row must be finished, on the clock of `now_s`; None for no deadline."""

    def __post_init__(self) -> None:
        if self.unet_rows < 1 or self.steps < 1:
            raise ValueError(
                f"A row of {self.unet_rows} U-Net rows and {self.steps} steps makes no image: "
                "both must be at least 1."
            )
        if not (math.isfinite(self.area) and self.area > 0):
            raise ValueError(f"The area {self.area} must be finite and above 0.")
        if self.deadline_s is not None and not math.isfinite(self.deadline_s):
            raise ValueError(f"The deadline {self.deadline_s} must be finite; None stands for no deadline.")

    @property
    def row_steps(self) -> int:
        """How often the row passes through the U-Net, counted in U-Net rows."""
        return self.unet_rows * self.steps

    @property
    def work(self) -> float:
        """The device work of the whole row: U-Net rows x steps x area."""
        return self.row_steps * self.area


def area_weight(shape: Shape, native: Shape) -> float:
    """The work of one U-Net row at `shape`, 1 being that at `native`, the latents of the model's own size.

    With a the ratio of the two areas, convolutions and projections cost a times as much and self-attention,
    which compares every two pixels, a^2 times: (1 - s) a + s a^2. The share s = 0.13 lies between those of
    SD 1.5 (0.15) and SDXL (0.11); the operations of both, counted from a quarter of their own area to four
    times it, are met within 5%.
    """
    ratio = (shape[0] * shape[1]) / (native[0] * native[1])
    return (1 - ATTENTION_SHARE) * ratio + ATTENTION_SHARE * ratio**2
