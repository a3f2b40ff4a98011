"""Pictures of a single process.

Entry point: `MemoryPictures`.
"""

import time
from collections.abc import Callable
from threading import Lock
from typing import Final

from service.state.pictures import PICTURE_KEPT_S, Picture

MAX_KEPT_BYTES: Final = 256 * 1024 * 1024
"""Of more, the oldest pictures are forgotten."""


class MemoryPictures:
    """A `pictures.Pictures` for the threads of one process."""

    def __init__(
        self, *, max_kept_bytes: int = MAX_KEPT_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kept: dict[str, tuple[float, Picture]] = {}
        self._kept_bytes = 0
        self._max_kept_bytes = max_kept_bytes
        self._clock = clock
        self._lock = Lock()

    def put(self, name: str, picture: Picture) -> None:
        """Keep a picture; the oldest make room for it."""
        with self._lock:
            self._kept[name] = (self._clock() + PICTURE_KEPT_S, picture)
            self._kept_bytes += len(picture.data)
            self._forget_old()

    def get(self, name: str) -> Picture | None:
        """Return a picture; None where it is not kept, or not any more."""
        with self._lock:
            self._forget_old()
            return self._kept[name][1] if name in self._kept else None

    def _forget_old(self) -> None:
        for name, (until_s, picture) in list(self._kept.items()):
            if until_s > self._clock() and self._kept_bytes <= self._max_kept_bytes:
                return
            del self._kept[name]
            self._kept_bytes -= len(picture.data)
