"""Pictures that are answered by their addresses, for a while.

Entry points: `Pictures` (the interface of the stores that keep them), `Picture`.
"""

from dataclasses import dataclass
from typing import Final, Protocol

PICTURE_KEPT_S: Final = 3600
"""A picture is kept for this long, in seconds."""


@dataclass(frozen=True)
class Picture:
    """An image file."""

    media_type: str
    data: bytes


class Pictures(Protocol):
    """Keeps pictures, for the threads of all replicas."""

    def put(self, name: str, picture: Picture) -> None:
        """Keep a picture for PICTURE_KEPT_S."""
        ...

    def get(self, name: str) -> Picture | None:
        """Return a picture; None where it is not kept, or not any more."""
        ...
