"""What is set for a whole process: memory that is freed stays there, unless the environment says otherwise."""

import os
import platform
import subprocess
import sys

import pytest

COUNTED = """
import resource
import threading
from trimtab.process import prepare_process

prepare_process()


def taken_and_freed():
    for _ in range(10):
        bytearray(100 * 2**20)


def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


thread = threading.Thread(target=taken_and_freed)
before = faults()
thread.start()
thread.join()
print((faults() - before) * resource.getpagesize() / 2**20)
"""


def fetched_mib(**environment: str) -> float:
    """Return how much memory the kernel gave a thread that takes and frees 100 MiB ten times."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    ended = subprocess.run(
        [sys.executable, "-c", COUNTED], env=plain | environment, capture_output=True, text=True, check=True
    )
    return float(ended.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_memory_is_kept_on_every_thread():
    assert fetched_mib() < 200


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_what_the_environment_says_of_malloc_is_left_alone():
    assert fetched_mib(MALLOC_ARENA_MAX="2") > 800
