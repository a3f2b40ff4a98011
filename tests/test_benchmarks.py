"""Every benchmark can be tried quickly and writes its figures, and its head says how."""

import importlib
import inspect
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from benchmarks.learning import memory
from benchmarks.learning.real_size import CONCEPTS
from diffusion import load_model
from trimtab import DEMO_MODEL

ROOT = Path(__file__).parents[1]
COMMANDS = [
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    for path in sorted((ROOT / "benchmarks").rglob("*.py"))
    if "typer.run(" in path.read_text(encoding="utf-8")
]


def test_there_are_benchmarks():
    assert {"benchmarks.engine", "benchmarks.steering", "benchmarks.gpu", "benchmarks.soak"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_benchmark_has_a_quick_mode_and_writes_its_figures(command):
    module = importlib.import_module(command)
    assert {"quick", "json_path"} <= inspect.signature(module.main).parameters.keys()
    name = command.removesuffix(".__main__")
    assert f"python -m {name} --quick" in module.__doc__ or f"python -m {name} --out" in module.__doc__
    assert "--json benchmarks/results/" in module.__doc__


class WithValues(nullcontext[None]):
    def from_tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor


@pytest.mark.parametrize("kind", CONCEPTS)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_memory_computed_without_values_is_what_tensors_with_values_take(
    kind, checkpointing, monkeypatch
):
    model = load_model(DEMO_MODEL, device="cpu")
    computed = memory.peak_bytes(model, CONCEPTS[kind], batch=4, checkpointing=checkpointing)
    monkeypatch.setattr(memory, "FakeTensorMode", lambda **_: WithValues())
    taken = memory.peak_bytes(model, CONCEPTS[kind], batch=4, checkpointing=checkpointing)
    weights = sum(weight.nbytes for weight in model.pipe.unet.parameters())
    assert weights < taken
    assert computed == pytest.approx(taken, rel=0.02)
