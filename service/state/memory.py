"""The shared state of a single process: kept in memory, gone with it.

Entry point: `MemoryState`.
"""

from typing import Literal

from policies.memory_ledger import MemoryLedger
from service.state.blobs import Blobs
from service.state.memory_allowances import MemoryAllowances
from service.state.memory_answers import MemoryAnswers
from service.state.memory_blobs import MemoryBlobs
from service.state.memory_jobs import MemoryJobs
from service.state.memory_pictures import MemoryPictures
from service.state.memory_shelf import MemoryShelf
from service.state.options import StateOptions


class MemoryState:
    """A `shared.SharedState` of one process."""

    store: Literal["memory"] = "memory"

    def __init__(self, options: StateOptions | None = None, blobs: Blobs | None = None) -> None:
        """Keep blobs where `blobs` does, or in memory too."""
        options = options or StateOptions()
        self.ledger = MemoryLedger()
        self.allowances = MemoryAllowances()
        self.answers = MemoryAnswers(running_kept_s=options.claim_kept_s)
        self.jobs = MemoryJobs(options)
        self.shelf = MemoryShelf()
        self.pictures = MemoryPictures()
        self.blobs: Blobs = blobs or MemoryBlobs()

    def check(self) -> None:
        """Return: memory is always there."""

    def close(self) -> None:
        """Return: there is nothing to let go of."""
