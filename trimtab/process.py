"""What is set for a whole process before torch and transformers are imported, by every command and benchmark.

Entry point: `prepare_process`.
"""

from __future__ import annotations

import ctypes
import os
import platform

# Parameters of mallopt, from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_LARGEST_INT = 2**31 - 1


def prepare_process() -> None:
    """Have memory kept for forward passes on the CPU, and transformers say what concerns our users only."""
    # Its advice on loading is not about our commands.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Have malloc give nothing back to the system, and torch ask for huge pages.

    A pass of a large batch frees and takes the same hundreds of megabytes again and again. glibc hands such blocks to
    the kernel, above all on threads other than the first, and the next pass pays for every page anew, which costs a
    tenth to a third of its time. The process stays as large as it ever was. Another C library's malloc is left as it
    is, and one whose behaviour the environment says (MALLOC_*, GLIBC_TUNABLES).
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # read by torch, and by nothing else
    is_set = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if platform.libc_ver()[0] != "glibc" or is_set:
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_ARENA_MAX, 1)
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, _LARGEST_INT)
