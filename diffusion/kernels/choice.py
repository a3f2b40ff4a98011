"""Whether a call is for Triton or for torch, and the checks of what either is given.

Entry points: `runs_triton`, `check_map`, `check_tensor`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib.util import find_spec

import torch

_TRITON_IS_INSTALLED = find_spec("triton") is not None


def runs_triton(tensor: torch.Tensor) -> bool:
    """Whether work on this tensor is done by a Triton kernel."""
    return tensor.is_cuda and _TRITON_IS_INSTALLED


def check_map(name: str, tensor: torch.Tensor) -> None:
    """Raise ValueError unless this is a map [rows, channels, height, width] of fp16, bf16 or fp32."""
    if tensor.ndim != 4:
        raise ValueError(
            f"{name} must be [rows, channels, height, width], not of the shape {[*tensor.shape]}."
        )
    _check_dtype(name, tensor, (torch.float16, torch.bfloat16, torch.float32))


def check_tensor(
    name: str,
    tensor: torch.Tensor,
    shape: Sequence[int],
    dtypes: Collection[torch.dtype],
    *,
    contiguous: bool = True,
) -> None:
    """Raise ValueError unless a kernel may take this tensor; a wrong one would have it write anywhere."""
    if tensor.shape != tuple(shape):
        raise ValueError(f"{name} must be of the shape {[*shape]}, not {[*tensor.shape]}.")
    _check_dtype(name, tensor, dtypes)
    if contiguous and not tensor.is_contiguous():
        raise ValueError(f"{name} must be contiguous; keep it as one block, or pass {name}.contiguous().")


def _check_dtype(name: str, tensor: torch.Tensor, dtypes: Collection[torch.dtype]) -> None:
    if tensor.dtype not in dtypes:
        known = " or ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
        raise ValueError(f"{name} must be of {known}, not {str(tensor.dtype).removeprefix('torch.')}.")
