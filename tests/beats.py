"""Time as a thread of this process lives it: while the machine does something else, it stands still."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

BEAT_S = 0.01


class Beats:
    """Counts a hundredth of a second each time that its thread has had its turn."""

    def __init__(self) -> None:
        self._count = 0
        self._over = threading.Event()

    @property
    def now_s(self) -> float:
        return self._count * BEAT_S

    def run(self) -> None:
        while not self._over.wait(BEAT_S):
            self._count += 1

    def end(self) -> None:
        self._over.set()


@contextmanager
def beating() -> Iterator[Beats]:
    """Count until the block ends."""
    beats = Beats()
    thread = threading.Thread(target=beats.run)
    thread.start()
    try:
        yield beats
    finally:
        beats.end()
        thread.join()
