"""Blobs in a folder that all replicas mount.

Entry point: `FolderBlobs`.
"""

import logging
import os
import tempfile
from pathlib import Path

from service.errors import StateUnavailableError, UnknownBlobError
from service.state.blobs import RETRY_AFTER_S, file_name

logger = logging.getLogger(__name__)


class FolderBlobs:
    """A `blobs.Blobs` of files; each appears at once and whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, digest: str, data: bytes) -> None:
        """Keep the data under its digest."""
        file = self._folder / file_name(digest)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._folder, prefix=".writing-")
            try:
                with os.fdopen(handle, "wb") as temporary:
                    temporary.write(data)
                    temporary.flush()
                    os.fsync(temporary.fileno())
                os.replace(name, file)
            except BaseException:
                os.unlink(name)
                raise
        except OSError as error:
            logger.warning("The vector store does not take a file: %s", error)
            raise StateUnavailableError(RETRY_AFTER_S) from error

    def get(self, digest: str) -> bytes:
        """Return what is kept under a digest; raises UnknownBlobError where nothing is."""
        file = self._folder / file_name(digest)
        try:
            return file.read_bytes()
        except FileNotFoundError:
            raise UnknownBlobError(digest) from None
        except OSError as error:
            logger.warning("The vector store does not give a file: %s", error)
            raise StateUnavailableError(RETRY_AFTER_S) from error
