"""How many U-Net rows fit into one forward pass: measured, so that too much work waits instead of failing.

Entry points: `RowCapacity`, and what it measures with, `DeviceMemory`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Protocol

import torch

from diffusion.model import DiffusionModel
from diffusion.passes import MAX_PASSES
from diffusion.tickets import Shape

logger = logging.getLogger(__name__)

_PROBED_ROWS = 4
_KEPT_FREE = 0.1
"""Share of the device's memory that is left alone: fragments, other sizes, decoding."""


class DeviceMemory(Protocol):
    """What a device says of its memory, in bytes."""

    def peak_of(self, work: Callable[[], object]) -> int:
        """Return how much more is taken at the peak of `work` than before it."""
        ...

    def free_and_total(self) -> tuple[int, int]:
        """Return what is free now, and all there is."""
        ...


class RowCapacity:
    """The U-Net rows of a latent shape that one forward pass may take, at most `max_rows` for the model's own size.

    A pass's memory grows with its rows and their area (attention is computed in tiles, so it grows with the area
    too, not with its square). The memory of one row is measured once, where the device's memory can be asked (by
    default that of CUDA), and so many are allowed as fit into what is free; elsewhere `max_rows` stands. Larger
    pictures take fewer rows, in proportion; four always fit, which is the most that one image takes.
    """

    def __init__(self, model: DiffusionModel, max_rows: int, memory: DeviceMemory | None = None) -> None:
        _, height, width = model.latent_shape(*model.default_size)
        self._area = height * width
        self._max_rows = max_rows
        if memory is None and model.device.type == "cuda":
            memory = _CudaMemory(model.device)
        self._fitting = math.inf if memory is None else _fitting_rows(model, memory)

    def __call__(self, shape: Shape) -> int:
        """Return the rows of latents of that height and width that fit."""
        relative = shape[0] * shape[1] / self._area
        return max(MAX_PASSES, int(min(self._max_rows, self._fitting) / max(relative, 1.0)))


@torch.no_grad()
def _fitting_rows(model: DiffusionModel, memory: DeviceMemory) -> float:
    """Return the rows of the model's own size that fit into free memory, by the peaks of two passes."""
    encoding = model.encode_negative([""] * _PROBED_ROWS)
    latents = torch.zeros(_PROBED_ROWS, *model.latent_shape(*model.default_size), device=model.device)
    timesteps = torch.zeros(_PROBED_ROWS, device=model.device)

    def peak_bytes(rows: int) -> int:
        return memory.peak_of(lambda: model.predict(latents[:rows], timesteps[:rows], encoding[:rows]))

    one, several = peak_bytes(1), peak_bytes(_PROBED_ROWS)
    row_bytes = max((several - one) / (_PROBED_ROWS - 1), 1)
    free, total = memory.free_and_total()
    fitting = (free - _KEPT_FREE * total) / row_bytes
    logger.info("A U-Net row takes %.0f MiB; %d fit.", row_bytes / 2**20, fitting)
    return fitting


class _CudaMemory:
    """The memory of a CUDA device, as torch's allocator knows it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def peak_of(self, work: Callable[[], object]) -> int:
        torch.cuda.synchronize(self._device)
        torch.cuda.reset_peak_memory_stats(self._device)
        before = torch.cuda.memory_allocated(self._device)
        work()
        torch.cuda.synchronize(self._device)
        return torch.cuda.max_memory_allocated(self._device) - before

    def free_and_total(self) -> tuple[int, int]:
        return torch.cuda.mem_get_info(self._device)
