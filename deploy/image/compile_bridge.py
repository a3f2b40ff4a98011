"""Compiles Triton's bridge to the CUDA driver, once and for all containers.

    python compile_bridge.py FOLDER            needs gcc and Python's headers, and neither a GPU nor its driver

The driver's library is known when a container runs: it is linked against by its name alone.
"""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

folder = Path(sys.argv[1])
with TemporaryDirectory() as stubs:
    library = Path(stubs, "libcuda.so.1")
    link = ["gcc", "-shared", f"-Wl,-soname,{library.name}", "-o", str(library), "-x", "c", os.devnull]
    subprocess.run(link, check=True)
    os.environ |= {"TRITON_CACHE_DIR": str(folder), "TRITON_LIBCUDA_PATH": stubs}
    from triton.backends.nvidia.driver import CudaUtils

    with suppress(ImportError):  # without the driver it can be compiled, and not loaded
        CudaUtils()
compiled = [*folder.glob("*/cuda_utils.*.so")]
if len(compiled) != 1:
    sys.exit(
        f"One compiled bridge was expected below {folder}, not {len(compiled)}: Triton compiles it otherwise now."
    )
print(f"Compiled {compiled[0]}.")
