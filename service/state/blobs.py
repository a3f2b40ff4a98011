"""Blobs: the files of uploaded vectors, by digest.

Entry points: `Blobs` (the interface of the stores that keep them), `check_digest`, `file_name`.
"""

import re
from typing import Final, Protocol

RETRY_AFTER_S: Final = 5
"""When to try again where they cannot be reached."""

_DIGEST = re.compile(r"[a-z0-9]+:[0-9a-f]{32,128}")


class Blobs(Protocol):
    """Keeps bytes that never change. Whoever gets them verifies them."""

    def put(self, digest: str, data: bytes) -> None:
        """Keep the data under its digest, as often as it is called."""
        ...

    def get(self, digest: str) -> bytes:
        """Return what is kept under a digest; raises UnknownBlobError where nothing is."""
        ...


def check_digest(digest: str) -> None:
    """Raise ValueError unless this is a digest, such as sha256:0f…: it becomes the name of a file."""
    if not _DIGEST.fullmatch(digest):
        raise ValueError(
            f"{digest!r:.100} is not a digest. Give its algorithm, a colon and hexadecimal digits."
        )


def file_name(digest: str) -> str:
    """Return the name of the file for a digest; raises ValueError for what is none."""
    check_digest(digest)
    return digest.replace(":", "-")
