"""Services on the demo model in processes of their own, and what they take of the machine.

Entry points: `replica`, `Usage`, `usage_of`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.faults.processes import Replica


@contextmanager
def replica(**settings: object) -> Iterator[Replica]:
    """Give a service with these settings that is ready, and end it."""
    with tempfile.TemporaryDirectory(prefix="trimtab-benchmark-") as folder:
        served = new_replica(Path(folder) / "service.log", **settings)
        try:
            served.start()
            served.until_ready()
            yield served
        finally:
            served.kill()


def new_replica(log: Path, **settings: object) -> Replica:
    """Return a service that is not started yet."""
    return Replica(log, {name: str(value) for name, value in settings.items()})


@dataclass(frozen=True)
class Usage:
    """What a process holds."""

    resident_mib: float
    threads: int
    file_descriptors: int


def usage_of(served: Replica) -> Usage:
    """Return what a service holds now."""
    process = psutil.Process(served.pid)
    return Usage(round(process.memory_info().rss / 2**20, 1), process.num_threads(), process.num_fds())
