"""The processes that share work: this one alone, or those that `accelerate launch` or `torchrun` started.

Entry point: `launched_processes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from accelerate.state import PartialState
from accelerate.utils.operations import gather, reduce


@dataclass(frozen=True)
class Processes:
    """This process among all that share the work."""

    index: int
    count: int
    device: torch.device | None = None
    """This process's own device, where each was given one."""

    @property
    def is_main(self) -> bool:
        """Whether this is the one that writes and reports."""
        return self.index == 0

    def wait_for_everyone(self) -> None:
        """Return once every process has called it."""
        if self.count > 1:
            state: Any = PartialState()
            state.wait_for_everyone()

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum of all processes' tensors of one shape; every process must call it."""
        if self.count == 1:
            return values
        total: torch.Tensor = reduce(values, "sum")
        return total

    def rows(self, rows: torch.Tensor) -> torch.Tensor:
        """Return all processes' rows, where process i has the rows i, i + count, ...; every process must call it."""
        if self.count == 1:
            return rows
        gathered: torch.Tensor = gather(rows)
        by_process = gathered.view(self.count, len(rows), *rows.shape[1:])
        return by_process.transpose(0, 1).flatten(0, 1)


ALONE = Processes(0, 1)

PATIENCE = timedelta(days=30)
"""How long a process waits for the others, whose share of the work may take much longer."""


@contextmanager
def launched_processes() -> Iterator[Processes]:
    """The processes that `accelerate launch` or `torchrun` started, else this one; connected inside the block."""
    state: Any = PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)
    if state.num_processes == 1:
        yield ALONE
        return
    try:
        yield Processes(state.process_index, state.num_processes, state.device)
    finally:
        state.destroy_process_group()
