"""The vectors of one replica as a library: the configured ones, and what it has taken from the shelf.

Entry point: `ShelvedLibrary`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from service.state.blobs import Blobs
from service.state.shelf import Shelf, ShelfEntry
from service.uploads import content_digest
from vectors import ConceptVector, StoredVector, VectorLibrary
from vectors.errors import VectorFormatError
from vectors.file_format import read_vector
from vectors.names import Reference

_Stamp: TypeAlias = tuple[int, int, int, int]


class ShelvedLibrary(VectorLibrary):
    """The configured library, and over it, in `folder`, what this replica has taken from the shelf.

    What is asked for and not here is taken then: an image may have been planned by a replica that knew more. What is
    retired stays, for images that were planned with it.
    """

    def __init__(
        self,
        folder: Path,
        configured: VectorLibrary,
        shelf: Shelf,
        blobs: Blobs,
        check: Callable[[ConceptVector], None],
    ) -> None:
        """`check` raises a ServiceError for a vector that cannot be steered with here."""
        super().__init__(folder)
        self.configured = configured
        self.configured_versions = {name: tuple(configured.versions(name)) for name in configured.names()}
        """The versions that were there at the start: what is published to the folder since waits for a restart."""
        self._shelf = shelf
        self._blobs = blobs
        self._check = check
        self._read: dict[str, tuple[_Stamp, StoredVector]] = {}
        """Reference of a version -> how its file was when it was read, and what was read."""

    def names(self) -> Sequence[str]:
        """The concepts of both, in alphabetical order."""
        return sorted({*self.configured_versions, *super().names()})

    def versions(self, name: str) -> Sequence[int]:
        """The versions of a concept in both, oldest first."""
        return sorted({*self.configured_versions.get(name, ()), *super().versions(name)})

    def resolve(self, reference: str) -> StoredVector:
        """Return what a reference names, from the shelf where need be; a file is read again where it has changed.

        Raises as a library does, and as `take`; the StateUnavailableError only where the shelf has to be asked.
        """
        stamp, stored = self._read.get(reference, (None, None))
        if stored is not None and stamp == _stamp(stored.path):
            return stored
        named = Reference.parse(reference)
        stored = self._resolved(named)
        if named.version is not None and (stamp := _stamp(stored.path)) is not None:
            self._read[reference] = stamp, stored
        return stored

    def _resolved(self, named: Reference) -> StoredVector:
        version = named.version or max(self.versions(named.concept), default=None)
        if version is not None and version not in self.versions(named.concept):
            for entry in self._shelf.entries():
                if (entry.name, entry.version) == (named.concept, version):
                    return self.take(entry)
        if version in super().versions(named.concept):
            return super().resolve(str(Reference(named.concept, version)))
        return self.configured.resolve(str(Reference(named.concept, version)))

    def take(self, entry: ShelfEntry) -> StoredVector:
        """Return a version on the shelf, whose file is fetched and verified where it is not here yet.

        Raises UnknownBlobError or StateUnavailableError where there is no file, VectorFormatError for one that is not
        what was published, MisfitVectorError for a vector that is none for the loaded model.
        """
        if entry.version in super().versions(entry.name):
            return super().resolve(str(Reference(entry.name, entry.version)))
        content = self._blobs.get(entry.digest)
        self._check(_verified(content, entry))
        return self.adopt(content, entry.version)

    def content(self, entry: ShelfEntry) -> bytes | None:
        """Return the file of a version as it was taken from the shelf; None for one that was not."""
        taken = entry.version in super().versions(entry.name)
        return self._path(entry.name, entry.version).read_bytes() if taken else None


def _stamp(path: Path) -> _Stamp | None:
    """Return what changes with a file; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _verified(content: bytes, entry: ShelfEntry) -> ConceptVector:
    """Return the vector of a file that the vector store gave."""
    source = f"{entry.name}@{entry.version} of the vector store"
    digest = content_digest(content)
    if digest != entry.digest:
        raise VectorFormatError(
            source, f"is not the file that was published: its digest is {digest}; upload the vector again."
        )
    vector = read_vector(content, source)
    if vector.concept != entry.name:
        raise VectorFormatError(source, f"holds {vector.concept!r}; upload the vector again.")
    return vector
