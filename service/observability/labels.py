"""Labels of metrics whose values are names that others choose: so many series, and no more.

Entry point: `BoundedLabel`.
"""

import threading
from typing import Final

OTHER: Final = "other"
"""What values are counted under for which there is no room."""

MAX_NAMES: Final = 100


class BoundedLabel:
    """Lets the first `limit` values pass as they are, and makes one of all others."""

    def __init__(self, limit: int = MAX_NAMES) -> None:
        self._limit = limit
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, value: str) -> str:
        """Return the value that is counted for this one."""
        if value in self._known:
            return value
        with self._lock:
            if len(self._known) >= self._limit:
                return OTHER
            self._known.add(value)
        return value
