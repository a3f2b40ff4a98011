"""What makes `trimtab serve` start sooner, has it end in order meanwhile, and says what time it took.

Entry points: `collector_paused` and `keep_for_good`, `read_ahead`, `stoppable`, `process_age_s`, `told`.
"""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

_TOLD_FROM_S = 0.05


@contextmanager
def collector_paused() -> Iterator[None]:
    """Leave cyclic garbage alone until the block ends.

    While torch and diffusers are imported the collector walks a growing heap again and again, finds nothing, and takes
    a quarter of the time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def keep_for_good() -> None:
    """Let the collector work again, and never look at what is there by now: it stays as long as the process."""
    gc.freeze()
    gc.enable()


def read_ahead(folder: Path) -> None:
    """Have the kernel read a model's weights while others import what will map them into memory."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in folder.glob("*/*.safetensors"):
        with suppress(OSError), path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)


@contextmanager
def stoppable() -> Iterator[None]:
    """End with exit code 0 at a SIGTERM that comes before the server is there to hear it: nothing is lost yet.

    Without a handler the first process of a container would not hear it at all, and be killed in the end.
    """

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def process_age_s() -> float:
    """Return how long ago this process began, in seconds; 0 where the system does not say (other than Linux)."""
    try:
        after_name = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        began_s = int(after_name[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - began_s)
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0


def told(spent_s: Mapping[str, float], total_s: float) -> str:
    """Return what a start was spent on, in words: "3.9 s: imports 3.1, weights 0.4, other 0.4"."""
    parts = {what: seconds for what, seconds in spent_s.items() if seconds >= _TOLD_FROM_S}
    parts["other"] = max(0.0, total_s - sum(parts.values()))
    return f"{total_s:.1f} s: " + ", ".join(f"{what} {seconds:.1f}" for what, seconds in parts.items())
