"""Where a chain is written: the interface of the file and of the Redis stream.

Entry point: `Sink`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from service.audit.chain import Head


class Sink(Protocol):
    """One chain's end. Its calls block, and are made one at a time."""

    def open(self) -> Head:
        """Find the end of the chain and return its head; raises AuditLogError where it cannot be carried on."""
        ...

    def append(self, contents: Sequence[Mapping[str, Any]]) -> Head:
        """Write one line for each, all or none, and return the new head once they are kept.

        Raises AuditUnavailableError; the next call may succeed again.
        """
        ...

    def close(self) -> None:
        """Let go of it."""
        ...
