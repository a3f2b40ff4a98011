"""The shelf of a single process.

Entry point: `MemoryShelf`.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from threading import Lock

from service.state.shelf import ShelfEntry


class MemoryShelf:
    """A `shelf.Shelf` for the threads of one process."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, int], ShelfEntry] = {}
        self._revision = 0
        self._policies_revision = 0
        self._lock = Lock()

    def revision(self) -> int:
        """Return how often something changed."""
        return self._revision

    def publish(self, name: str, digest: str, above: int = 0) -> int:
        """Publish a vector as the next version of its name, and return the version."""
        with self._lock:
            latest = max(
                (entry for entry in self._entries.values() if entry.name == name), key=_version, default=None
            )
            if latest and latest.digest == digest and not latest.retired and latest.version > above:
                return latest.version
            version = max(latest.version if latest else 0, above) + 1
            self._entries[name, version] = ShelfEntry(name, version, digest, False, time.time())
            self._revision += 1
        return version

    def retire(self, name: str, version: int | None = None) -> None:
        """Retire that version of a name, or all of them."""
        with self._lock:
            for key, entry in self._entries.items():
                if entry.name == name and version in (None, entry.version) and not entry.retired:
                    self._entries[key] = replace(entry, retired=True)
                    self._revision += 1

    def record(self, entries: Sequence[ShelfEntry]) -> None:
        """Have these on the shelf with the versions that they have."""
        with self._lock:
            before = dict(self._entries)
            for entry in entries:
                key = entry.name, entry.version
                there = self._entries.get(key, entry)
                self._entries[key] = replace(there, retired=there.retired or entry.retired)
            self._revision += self._entries != before

    def entries(self) -> Sequence[ShelfEntry]:
        """Return all that was published, by name and version."""
        with self._lock:
            return [self._entries[key] for key in sorted(self._entries)]

    def bump(self) -> int:
        """Return the revision after one more change."""
        with self._lock:
            self._revision += 1
            self._policies_revision = self._revision
            return self._revision

    def policies_revision(self) -> int:
        """Return the revision of the last bump."""
        return self._policies_revision


def _version(entry: ShelfEntry) -> int:
    return entry.version
