"""Runs a Triton kernel where there is no GPU: a program at a time, by Triton's own interpreter."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest

BLOCK = 16
"""Elements of one program, so few that small rows need several."""


@contextmanager
def interpreted(module: ModuleType, kernel: str) -> Iterator[None]:
    """Within the block, `module.kernel` is interpreted, on CPU tensors and in place.

    Setting TRITON_INTERPRET would do so for a whole process, compiled kernels with it. A kernel that calls
    other `triton.jit` functions (tl.sum, tl.zeros, tl.cdiv) cannot be run this way.

    Products and sums are those of torch on the CPU, but bf16 is cut off instead of rounded.
    """
    from triton.runtime.interpreter import InterpretedFunction

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, kernel, InterpretedFunction(getattr(module, kernel).fn))
        patch.setattr(module, "BLOCK", BLOCK)
        yield
