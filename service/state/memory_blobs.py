"""Blobs of a single process.

Entry point: `MemoryBlobs`.
"""

from service.errors import UnknownBlobError
from service.state.blobs import check_digest


class MemoryBlobs:
    """A `blobs.Blobs` for the threads of one process."""

    def __init__(self) -> None:
        self._data: dict[str, bytes] = {}

    def put(self, digest: str, data: bytes) -> None:
        """Keep the data under its digest."""
        check_digest(digest)
        self._data[digest] = data

    def get(self, digest: str) -> bytes:
        """Return what is kept under a digest; raises UnknownBlobError where nothing is."""
        check_digest(digest)
        if digest not in self._data:
            raise UnknownBlobError(digest)
        return self._data[digest]
