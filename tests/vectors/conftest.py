import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch

from vectors import ConceptVector

MakeVector = Callable[..., ConceptVector]


@pytest.fixture(scope="session")
def base_model() -> str:
    return "sha256:" + "a1" * 32


@pytest.fixture(scope="session")
def make_vector(base_model: str) -> MakeVector:
    """Vectors of a tiny model: random values by seed, everything else as asked."""

    def make(
        concept: str = "woman", *, seed: int = 0, shape: tuple[int, ...] = (4, 3, 2), **parts: Any
    ) -> ConceptVector:
        values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        return ConceptVector(**{"concept": concept, "values": values, "base_model": base_model, **parts})

    return make


@pytest.fixture(scope="session")
def start_python() -> Callable[..., "subprocess.Popen[str]"]:
    """Start another Python process that sees the same packages."""

    def start(code: str, *arguments: str) -> "subprocess.Popen[str]":
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    return start
