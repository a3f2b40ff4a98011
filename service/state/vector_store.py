"""The vector store: where the files of uploaded vectors are, where that is not the shared state itself.

Entry points: `check_vector_store`, `open_vector_store`.
"""

from pathlib import Path

from service.state.blobs import Blobs
from service.state.folder_blobs import FolderBlobs


def check_vector_store(where: str) -> None:
    """Raise ValueError, with the cure, unless this is a folder or a URL that can be opened; nothing is asked yet."""
    open_vector_store(where)


def open_vector_store(where: str) -> Blobs:
    """Return the blobs in a folder, or at a URL that fsspec knows; raises ValueError, with the cure."""
    if "://" not in where:
        return FolderBlobs(Path(where))
    from service.state.fsspec_blobs import FsspecBlobs

    try:
        return FsspecBlobs(where)
    except (ImportError, ValueError) as error:
        raise ValueError(
            f"{where.partition('://')[0]!r} cannot be opened as a vector store: {error} "
            "Give a folder, or a URL such as s3://bucket/path, and install what fsspec needs for it."
        ) from error
