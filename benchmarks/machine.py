"""What a benchmark ran on, as its results say it.

Entry point: `described`.
"""

from __future__ import annotations

import os
import platform
from datetime import date

import torch


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
