"""Data sets of drawings: many scenes drawn in parallel, the same for the same seed on any machine."""

from __future__ import annotations

import random as random_module
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from os import cpu_count

import numpy as np
import torch

from demo_model.drawing import SIZE, draw
from demo_model.world import Scene, sample_scene, sample_uniform_scene

_CHUNK = 500


@dataclass(frozen=True)
class Drawings:
    """Drawn scenes: pixels [n, 3, 64, 64] uint8, and of each its scene and caption (empty in a uniform set)."""

    pixels: torch.Tensor
    scenes: tuple[Scene, ...]
    captions: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.scenes)

    def floats(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the pictures at `rows` as fp32 in -1 to 1, [rows, 3, 64, 64]."""
        return self.pixels[rows].float() / 127.5 - 1


def make_drawings(count: int, *, seed: int, name: str, uniform: bool = False) -> Iterator[int | Drawings]:
    """Draw `count` scenes, yielding how many are done, and the whole set last.

    `name` keeps the sets of one seed apart. A `uniform` set has independent, even attributes and no captions.
    """
    seeds = [f"{seed}/{name}/{start}" for start in range(0, count, _CHUNK)]
    sizes = [min(_CHUNK, count - start) for start in range(0, count, _CHUNK)]
    chunks = []
    with ProcessPoolExecutor(cpu_count(), mp_context=get_context("spawn")) as pool:
        for chunk in pool.map(partial(_draw_chunk, uniform=uniform), seeds, sizes):
            chunks.append(chunk)
            yield sum(len(chunk[1]) for chunk in chunks)
    yield Drawings(
        pixels=torch.from_numpy(np.concatenate([pixels for pixels, _, _ in chunks])),
        scenes=tuple(scene for _, scenes, _ in chunks for scene in scenes),
        captions=tuple(caption for _, _, captions in chunks for caption in captions),
    )


def _draw_chunk(
    seed: str, count: int, *, uniform: bool
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], list[Scene], list[str]]:
    """Draw one chunk from its own seed."""
    random = random_module.Random(seed)
    pixels = np.empty((count, 3, SIZE, SIZE), dtype=np.uint8)
    scenes, captions = [], []
    for row in range(count):
        if uniform:
            scene, caption = sample_uniform_scene(random), ""
        else:
            captioned = sample_scene(random)
            scene, caption = captioned.scene, captioned.caption
        pixels[row] = np.asarray(draw(scene, random)).transpose(2, 0, 1)
        scenes.append(scene)
        captions.append(caption)
    return pixels, scenes, captions
