"""An image without a compiler runs Triton all the same: its bridge to the driver is compiled when the image is made."""

import os
import shutil
import subprocess
import sys

import pytest
from dockerfile import DOCKERFILE, environment

FILES = DOCKERFILE.parent / "image"
CALL = """
import os, sys
# There is no driver here: what is missing of it is missed when it is called.
sys.setdlopenflags(os.RTLD_LAZY)
import trimtab_kernel_cache
trimtab_kernel_cache.BRIDGE = trimtab_kernel_cache.Path(os.environ["BRIDGE"])
from triton.backends.nvidia.driver import CudaUtils
print(CudaUtils().launch)
from triton.runtime.cache import get_cache_manager
cache = get_cache_manager("a" * 64)
print(cache.get_file("kernel.cubin"), cache.put(b"code", "kernel.cubin"), cache.get_file("kernel.cubin"))
"""


def python(*arguments: object, **variables: object) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **{name: str(value) for name, value in variables.items()}}
    return subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, env=env)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc compiles it when the image is made")
def test_triton_starts_where_there_is_no_compiler_and_keeps_what_it_compiles(tmp_path):
    bridge, cache, driver = tmp_path / "bridge", tmp_path / "cache", tmp_path / "driver"
    made = python(FILES / "compile_bridge.py", bridge)
    assert made.returncode == 0, made.stderr
    (compiled,) = bridge.glob("*/cuda_utils.*.so")
    assert compiled.stat().st_size > 0

    driver.mkdir()
    library = driver / "libcuda.so.1"
    stub = ["gcc", "-shared", f"-Wl,-soname,{library.name}", "-o", library, "-x", "c", os.devnull]
    subprocess.run(stub, check=True)
    started = python(
        "-c",
        CALL,
        PYTHONPATH=FILES,
        BRIDGE=bridge,
        CC="/bin/false",
        LD_LIBRARY_PATH=driver,
        TRITON_LIBCUDA_PATH=driver,
        TRITON_CACHE_DIR=cache,
        TRITON_CACHE_MANAGER=environment()["TRITON_CACHE_MANAGER"],
    )
    assert started.returncode == 0, started.stderr
    first, kept, again = started.stdout.splitlines()[-1].split()
    assert first == "None"
    assert kept == again
    assert kept.startswith(str(cache))
    assert not [*cache.glob("*/cuda_utils*")]
