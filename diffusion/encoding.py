"""What a text encoder made of prompts, row by row.

Entry point: `PromptEncoding`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class PromptEncoding:
    """The encoding of prompts, one row each, on the model's device and in its dtype."""

    embeds: torch.Tensor
    """[rows, tokens, dim]: what the U-Net's cross-attention reads."""
    pooled: torch.Tensor | None = None
    """[rows, dim]: SDXL's summary of each prompt; None for models without one."""

    def __len__(self) -> int:
        return self.embeds.shape[0]

    def __getitem__(self, rows: slice | Sequence[int] | torch.Tensor) -> PromptEncoding:
        """Some of the rows, in the order given (a row may be given twice)."""
        return PromptEncoding(self.embeds[rows], None if self.pooled is None else self.pooled[rows])

    @staticmethod
    def concat(parts: Sequence[PromptEncoding]) -> PromptEncoding:
        """The rows of all parts, in order; the parts are of one model."""
        pooled = [part.pooled for part in parts if part.pooled is not None]
        return PromptEncoding(
            torch.cat([part.embeds for part in parts]), torch.cat(pooled) if pooled else None
        )
