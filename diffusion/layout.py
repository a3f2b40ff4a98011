"""How maps of four dimensions lie in memory.

Entry point: `fastest_layout`.
"""

from __future__ import annotations

import torch


def fastest_layout(device: torch.device) -> torch.memory_format:
    """Return the layout that a device's convolutions are fastest in."""
    return torch.channels_last if device.type in ("cpu", "cuda") else torch.contiguous_format
