"""One version of a vector, and what a replica does with it.

Entry points: `CatalogueVersion`, `version_of`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from service.state.shelf import ShelfEntry
from service.stock import Key
from vectors import StoredVector
from vectors.names import Reference


@dataclass(frozen=True)
class CatalogueVersion:
    """One version of a vector, and what this replica does with it."""

    name: str
    version: int
    state: Literal["served", "superseded", "retired", "unserved"]
    """Superseded: a later one is served; where that is retired, this one is again. Unserved: see `problem`."""
    entry: ShelfEntry | None
    """What the shelf says of it; None for one that only the configured library knows."""
    problem: str | None = None

    @property
    def reference(self) -> str:
        """The one way to name exactly this vector, such as "woman@2"."""
        return str(Reference(self.name, self.version))


def version_of(
    key: Key,
    entry: ShelfEntry | None,
    served: StoredVector | None,
    broken: Mapping[Key, Exception],
    refused: str,
) -> CatalogueVersion:
    """Return a version, given what is `served` of its concept, what is `broken`, and why a change was `refused`."""
    name, version = key
    if entry is not None and entry.retired:
        return CatalogueVersion(name, version, "retired", entry)
    if served is not None and served.version == version:
        return CatalogueVersion(name, version, "served", entry)
    if key in broken:
        return CatalogueVersion(name, version, "unserved", entry, str(broken[key]))
    if served is None or version > served.version:
        return CatalogueVersion(name, version, "unserved", entry, refused)
    return CatalogueVersion(name, version, "superseded", entry)
