"""Who computes with how many threads on the CPU: the engine's thread with all of them, every other with one.

Entry points: `leave_cores_to_engines`, for programs whose own threads only wait for images, `take_cores`, and
`with_cores` for what such a program computes besides.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import torch

T = TypeVar("T")
P = ParamSpec("P")

_engine_threads: int | None = None
"""Torch's threads on an engine's thread; None as long as all threads have the same."""


def leave_cores_to_engines() -> None:
    """Have torch use one thread from now on, but on the threads of engines as many as it has here.

    OpenMP keeps a team of threads for each thread that has ever computed in parallel. As soon as there are more of
    them than cores, they sleep at every barrier instead of waiting awake (libgomp: GOMP_SPINCOUNT), and a forward pass
    of many short operations is a third slower. Call it before anything is computed; a second call changes nothing.
    """
    global _engine_threads
    if _engine_threads is None:
        _engine_threads = torch.get_num_threads()
        torch.set_num_threads(1)


def take_cores() -> None:
    """Let the calling thread, an engine's, have the cores that were left to it; nothing where none were."""
    if _engine_threads is None:
        return
    torch.get_num_threads()  # a thread's first call of torch sets what is the default by then
    torch.set_num_threads(_engine_threads)
    # That set the default of all threads to come, too; only another thread can set it back.
    other = threading.Thread(target=torch.set_num_threads, args=(1,))
    other.start()
    other.join()


def with_cores(work: Callable[[Callable[P, None]], T], told: Callable[P, None]) -> T:
    """Return what `work(tell)` does with the cores that were left to engines, on a thread that ends with it.

    So its team of threads is gone when an engine computes next. `tell` does what `told` does, and raises
    KeyboardInterrupt once the calling thread was interrupted, by whatever signal: it is to be called often. Where no
    cores were left it is done on this thread.
    """
    interrupted = threading.Event()

    def tell(*args: P.args, **kwargs: P.kwargs) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        told(*args, **kwargs)

    if _engine_threads is None:
        return work(tell)
    with ThreadPoolExecutor(1, initializer=take_cores) as thread:
        try:
            return thread.submit(work, tell).result()
        finally:  # however it ends: the thread is waited for
            interrupted.set()
