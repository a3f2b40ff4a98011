"""The shared state of a single process: kept in memory, gone with it.

Entry point: `MemoryState`.
"""

from typing import Literal

from policies.memory_ledger import MemoryLedger


class MemoryState:
    """A `shared.SharedState` of one process."""

    store: Literal["memory"] = "memory"

    def __init__(self) -> None:
        self.ledger = MemoryLedger()

    def check(self) -> None:
        """Return: memory is always there."""

    def close(self) -> None:
        """Return: there is nothing to let go of."""
