"""How many U-Net rows fit into one forward pass: measured, so that too much work waits instead of failing.

Entry point: `RowCapacity`.
"""

from __future__ import annotations

import logging
import math

import torch

from diffusion.model import DiffusionModel
from diffusion.passes import MAX_PASSES
from diffusion.tickets import Shape

logger = logging.getLogger(__name__)

_PROBED_ROWS = 4
_KEPT_FREE = 0.1
"""Share of the device's memory that is left alone: fragments, other sizes, decoding."""


class RowCapacity:
    """The U-Net rows of a latent shape that one forward pass may take, at most `max_rows` for the model's own size.

    A pass's memory grows with its rows and their area (attention is computed in tiles, so it grows with the area
    too, not with its square). On CUDA the memory of one row is measured once, and so many are allowed as fit into
    what is free; elsewhere `max_rows` stands. Larger pictures take fewer rows, in proportion; four always fit, which
    is the most that one image takes.
    """

    def __init__(self, model: DiffusionModel, max_rows: int) -> None:
        _, height, width = model.latent_shape(*model.default_size)
        self._area = height * width
        self._max_rows = max_rows
        self._fitting = self._measured(model) if model.device.type == "cuda" else math.inf

    def __call__(self, shape: Shape) -> int:
        """Return the rows of latents of that height and width that fit."""
        relative = shape[0] * shape[1] / self._area
        return max(MAX_PASSES, int(min(self._max_rows, self._fitting) / max(relative, 1.0)))

    @torch.no_grad()
    def _measured(self, model: DiffusionModel) -> float:
        """Return the rows of the model's own size that fit into free memory, by the peak of one pass."""
        device = model.device
        shape = model.latent_shape(*model.default_size)
        encoding = model.encode_negative([""] * _PROBED_ROWS)
        latents = torch.zeros(_PROBED_ROWS, *shape, device=device)
        timesteps = torch.zeros(_PROBED_ROWS, device=device)
        peaks = []
        for rows in (1, _PROBED_ROWS):
            torch.cuda.synchronize(device)
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
            model.predict(latents[:rows], timesteps[:rows], encoding[:rows])
            torch.cuda.synchronize(device)
            peaks.append(torch.cuda.max_memory_allocated(device) - before)
        per_row = max((peaks[1] - peaks[0]) / (_PROBED_ROWS - 1), 1)
        free, total = torch.cuda.mem_get_info(device)
        fitting = (free - _KEPT_FREE * total) / per_row
        logger.info("A U-Net row takes %.0f MiB; %d fit.", per_row / 2**20, fitting)
        return fitting
