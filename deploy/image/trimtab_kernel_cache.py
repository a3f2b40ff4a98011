"""Triton's cache of compiled kernels, in an image without a compiler.

Entry point: `WithBridge`, which TRITON_CACHE_MANAGER names. Kernels are compiled without a C compiler and kept in
TRITON_CACHE_DIR; Triton's bridge to the CUDA driver is C, and comes compiled with the image.
"""

import sys
from pathlib import Path

from triton.runtime.cache import FileCacheManager

BRIDGE = Path(sys.prefix, "share/triton")
"""Files by the keys that Triton looks them up by."""


class WithBridge(FileCacheManager):
    """Files in the cache's folder, and those that came with the image."""

    def get_file(self, filename: str) -> str | None:
        """Return the path of a file, from the image where it has it; None where there is none."""
        compiled = BRIDGE / self.key / filename
        return str(compiled) if compiled.is_file() else super().get_file(filename)
