"""Every benchmark can be tried quickly and writes its figures, and its head says how."""

import importlib
import inspect
from pathlib import Path

import pytest

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
