"""What a benchmark ran on, as its results say it, and plain computing as quick as an engine's.

Entry points: `described`, `on_all_cores`.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import TypeVar

import torch

from diffusion.cores import take_cores

Result = TypeVar("Result")


def described(device: str) -> dict[str, object]:
    """Return the date, the machine and what torch there is."""
    is_cuda = device.startswith("cuda")
    return {
        "date": str(date.today()),
        "machine": torch.cuda.get_device_name()
        if is_cuda
        else f"{os.cpu_count()} CPU cores ({platform.machine()})",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def on_all_cores(work: Callable[[], Result]) -> Result:
    """Return what `work` does on a thread of its own, which has the cores that were left to engines."""
    with ThreadPoolExecutor(1, initializer=take_cores) as thread:
        return thread.submit(work).result()
