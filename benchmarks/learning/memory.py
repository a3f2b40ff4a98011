"""The memory that learning a vector takes at the size of a real model, computed without a device that has it.

One whole step of the learner, with all its rows learning, is gone through on tensors that have shapes and no values
(torch's FakeTensorMode), and what is alive at once is added up: weights of all parts, activations, gradients. What an
allocator loses by rounding and the workspaces of a device's libraries come on top; `real_size` measures all of it.

    python -m benchmarks.learning.memory --json benchmarks/results/learning_memory.json
    python -m benchmarks.learning.memory --model sdxl --size 1024
    python -m benchmarks.learning.memory --quick
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import torch
import typer
from rich.console import Console
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.learning.real_size import CONCEPTS
from benchmarks.machine import described
from benchmarks.random_models import NAMES, random_model
from diffusion import DiffusionModel
from learn_vectors import Concept, LearnOptions, TrajectoryRecipe
from learn_vectors.maps import maps_of, placed
from learn_vectors.predictions import CONDITIONAL, UNCONDITIONAL, Predictor
from learn_vectors.sites import site_of
from learn_vectors.trajectories import TrajectoryPool


def main(
    model: Annotated[str, typer.Option(help=" or ".join(NAMES))] = "sd15",
    dtype: Annotated[str, typer.Option(help="What the model computes in.")] = "bfloat16",
    size: Annotated[int, typer.Option(help="Pixels of a side.")] = 512,
    batch: Annotated[int, typer.Option(help="Rows in a step.")] = TrajectoryRecipe().batch,
    quick: Annotated[bool, typer.Option("--quick", help="64 pixels, one row: does it work?")] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the result here.")] = None,
) -> None:
    """Say how much memory a concept and an anti-concept take, with and without gradient checkpointing."""
    if quick:
        size, batch = 64, 1
    loaded = random_model(model, size, getattr(torch, dtype), "cpu")
    rows = [
        {
            "kind": kind,
            "gradient_checkpointing": checkpointing,
            "peak_memory_gib": round(
                peak_bytes(loaded, concept, batch=batch, checkpointing=checkpointing) / 2**30, 2
            ),
        }
        for kind, concept in CONCEPTS.items()
        for checkpointing in (False, True)
    ]
    result = described("cpu") | {"model": model, "dtype": dtype, "size": size, "batch": batch, "rows": rows}
    Console().print_json(json.dumps(result))
    if json_path is not None:
        json_path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def peak_bytes(model: DiffusionModel, concept: Concept, *, batch: int, checkpointing: bool) -> int:
    """Return the most bytes that are alive at once in one step of learning a concept, with the model's own."""
    recipe = TrajectoryRecipe(steps=1, batch=batch)
    options = LearnOptions((concept,), recipe=recipe)
    pool = TrajectoryPool(model, options, recipe, (concept,))
    predictor = Predictor(model, pool.all_lessons)
    maps = maps_of([options.halves_of(concept)])
    site = site_of(model, options, concept)
    learning = torch.arange(batch)
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    shape = (batch, *model.site_shape(*model.default_size, site))
    added = {
        half: fake.from_tensor(torch.zeros(shape, requires_grad=True))
        for half in (CONDITIONAL, UNCONDITIONAL)
        if placed(maps, conditional=half == CONDITIONAL).any()
    }
    live, predict = _LiveBytes(model, fake.from_tensor), model.predict

    def without_values(*inputs: Any) -> torch.Tensor:
        with fake, live:
            return predict(*inputs)

    if checkpointing:
        model.pipe.unet.enable_gradient_checkpointing()
    try:
        with patch.object(model, "predict", without_values):
            frozen = predictor.frozen(pool, learning, conditional=CONDITIONAL not in added)
            steered = predictor.steered(pool, learning, site, added)
        error = torch.stack([(one - frozen.target).square().sum() for one in steered.values()]).sum()
        with fake, live:
            torch.autograd.grad(error, list(added.values()))
    finally:
        model.pipe.unet.disable_gradient_checkpointing()
    return live.peak


class _LiveBytes(TorchDispatchMode):
    """Adds up the storages that are alive, from a model's own on."""

    def __init__(self, model: DiffusionModel, stand_in: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self._alive: dict[int, object] = {}
        self._now = self.peak = 0
        parts = [part for part in model.pipe.components.values() if isinstance(part, torch.nn.Module)]
        weights = (weight for part in parts for weight in (*part.parameters(), *part.buffers()))
        self._weights = [stand_in(weight) for weight in weights]
        for weight in self._weights:
            self._count(weight)

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor)
        return result

    def _count(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key not in self._alive:
            self._alive[key] = weakref.ref(storage, lambda _: self._forget(key, size))
            self._now += size
            self.peak = max(self.peak, self._now)

    def _forget(self, key: int, size: int) -> None:
        del self._alive[key]
        self._now -= size


if __name__ == "__main__":
    typer.run(main)
