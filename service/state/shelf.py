"""The shelf: which uploaded vectors are published, for all replicas.

Entry points: `Shelf` (the interface of the stores that keep it), `ShelfEntry`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class ShelfEntry:
    """One version of a vector that was published."""

    name: str
    version: int
    digest: str
    retired: bool
    published_s: float
    """When, in seconds since 1970."""


class Shelf(Protocol):
    """Keeps what is published, for the threads of all replicas."""

    def revision(self) -> int:
        """Return a number that grows with every change; 0 where nothing ever changed. It is cheap.

        A store that lost everything is at 0 again, and at its next change beyond all that it has ever been.
        """
        ...

    def publish(self, name: str, digest: str, above: int = 0) -> int:
        """Publish a vector as the next version of its name, beyond `above` too, and return the version.

        No version is given twice. What is the latest version already, and not retired, keeps its number, so that
        publishing can be repeated.
        """
        ...

    def retire(self, name: str, version: int | None = None) -> None:
        """Retire that version of a name, or all of them; what is unknown or retired stays as it is."""
        ...

    def record(self, entries: Sequence[ShelfEntry]) -> None:
        """Have these on the shelf with the versions that they have: of a library, or what the store has lost.

        Where a version is there already it keeps its digest, and is retired where either says so.
        """
        ...

    def entries(self) -> Sequence[ShelfEntry]:
        """Return all that was published or recorded, retired or not, by name and version."""
        ...

    def bump(self) -> int:
        """Return the revision after one more change: policies are to be read again."""
        ...

    def policies_revision(self) -> int:
        """Return the revision of the last bump; 0 where there was none."""
        ...
