"""What of the shelf one replica can serve: it is read, taken, and put back where the store has lost it.

Entry points: `Stock`; `Shelved`, what the shelf said at one moment; `candidates`.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from service.errors import ServiceError
from service.shelved import ShelvedLibrary
from service.state.blobs import Blobs
from service.state.shelf import Shelf, ShelfEntry
from service.uploads import content_digest
from vectors import StoredVector, VectorError, VectorLibrary
from vectors.names import Reference

logger = logging.getLogger(__name__)

Key: TypeAlias = tuple[str, int]
"""A concept and a version."""


@dataclass(frozen=True)
class Shelved:
    """What the shelf said at one moment."""

    revision: int | None = None
    """None where it was never read."""
    policies_revision: int = 0
    entries: Mapping[Key, ShelfEntry] = field(default_factory=dict)

    def retired(self, keys: Iterable[Key], library: ShelvedLibrary) -> "Shelved":
        """Return what it would say with these versions retired, some of which only the library knows yet."""
        entries = dict(self.entries)
        for key in keys:
            entries[key] = replace(entries.get(key) or _of_library(key, library.configured), retired=True)
        return replace(self, entries=entries)


class Stock:
    """The shelf and the files of what is on it, for one replica."""

    def __init__(self, library: ShelvedLibrary, shelf: Shelf, blobs: Blobs) -> None:
        self.library = library
        self._shelf = shelf
        self._blobs = blobs

    def read(self, known: Shelved) -> Shelved:
        """Return what the shelf says now; what it once said and has lost is put back first.

        Nothing is ever taken off the shelf, so that what is missing is what the store has forgotten.
        """
        # Read before the entries: a change in between is read again.
        revision, policies_revision = self._shelf.revision(), self._shelf.policies_revision()
        entries = self._entries()
        lost = [entry for key, entry in known.entries.items() if key not in entries]
        if lost:
            logger.warning("The shelf has lost %d versions; they are put back.", len(lost))
            for entry in lost:
                content = self.library.content(entry)
                if content is not None:
                    self._blobs.put(entry.digest, content)
            self._shelf.record(lost)
            entries = self._entries()
        return Shelved(revision, policies_revision, entries)

    def vectors(
        self, shelved: Shelved, served: Mapping[str, StoredVector]
    ) -> tuple[dict[str, StoredVector], dict[Key, Exception]]:
        """Return the version of each concept that new requests get, and why later ones cannot be served.

        Among the reasons is StateUnavailableError, where a file cannot be fetched now.
        """
        vectors: dict[str, StoredVector] = {}
        broken: dict[Key, Exception] = {}
        for name, versions in candidates(self.library.configured_versions, shelved.entries.values()).items():
            for version in versions:
                entry, before = shelved.entries.get((name, version)), served.get(name)
                try:
                    if entry is not None:
                        vectors[name] = self.library.take(entry)
                    elif before is not None and before.version == version:
                        vectors[name] = before
                    else:
                        vectors[name] = self.library.resolve(str(Reference(name, version)))
                    break
                except (VectorError, ServiceError) as error:
                    broken[name, version] = error
        return vectors, broken

    def keys(self, shelved: Shelved) -> list[Key]:
        """Return all versions there are, retired or not, by name and version."""
        configured = self.library.configured_versions.items()
        return sorted(
            {*((name, version) for name, versions in configured for version in versions), *shelved.entries}
        )

    def _entries(self) -> dict[Key, ShelfEntry]:
        return {(entry.name, entry.version): entry for entry in self._shelf.entries()}


def candidates(
    configured: Mapping[str, Sequence[int]], entries: Iterable[ShelfEntry]
) -> dict[str, list[int]]:
    """Return the versions of each concept that new requests may get, the latest first; none of those retired."""
    versions = {name: set(numbers) for name, numbers in configured.items()}
    for entry in entries:
        numbers = versions.setdefault(entry.name, set())
        (numbers.discard if entry.retired else numbers.add)(entry.version)
    return {name: sorted(numbers, reverse=True) for name, numbers in sorted(versions.items()) if numbers}


def _of_library(key: Key, configured: VectorLibrary) -> ShelfEntry:
    """Return a version of the configured library as the shelf would have it."""
    name, version = key
    path = configured.resolve(str(Reference(name, version))).path
    digest = content_digest(path.read_bytes())
    return ShelfEntry(name, version, digest, retired=False, published_s=path.stat().st_mtime)
