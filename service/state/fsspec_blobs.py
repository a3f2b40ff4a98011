"""Blobs wherever fsspec reaches, such as s3://bucket/path.

Entry point: `FsspecBlobs`. S3 needs the package s3fs, and other stores theirs; credentials are theirs to find.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from fsspec.core import url_to_fs

from service.errors import StateUnavailableError, UnknownBlobError
from service.state.blobs import RETRY_AFTER_S, file_name

logger = logging.getLogger(__name__)


class FsspecBlobs:
    """A `blobs.Blobs` in an object store, where a file appears at once and whole."""

    def __init__(self, url: str) -> None:
        """Take a URL that fsspec knows; raises ValueError or ImportError, with the cure, for another."""
        self._files, self._root = url_to_fs(url)

    def put(self, digest: str, data: bytes) -> None:
        """Keep the data under its digest."""
        path = self._path(digest)
        with _reached():
            self._files.pipe_file(path, data)

    def get(self, digest: str) -> bytes:
        """Return what is kept under a digest; raises UnknownBlobError where nothing is."""
        path = self._path(digest)
        with _reached():
            try:
                data: bytes = self._files.cat_file(path)
            except FileNotFoundError:
                raise UnknownBlobError(digest) from None
        return data

    def _path(self, digest: str) -> str:
        return f"{self._root.rstrip('/')}/{file_name(digest)}"


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except UnknownBlobError:
        raise
    except Exception as error:  # each store has errors of its own
        logger.warning("The vector store did not do its work: %s: %s", type(error).__name__, error)
        raise StateUnavailableError(RETRY_AFTER_S) from error
