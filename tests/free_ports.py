"""Ports for servers that tests start as processes, and may start again on the same port."""

import random
import socket
from contextlib import suppress
from pathlib import Path

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A port that is free now and below those that connections are given: what comes and goes meanwhile takes none."""
    below = int(RANGE.read_text().split()[0]) if RANGE.exists() else 32768
    chance = random.SystemRandom()
    while True:
        with (
            suppress(OSError),
            socket.create_server(("127.0.0.1", chance.randrange(below // 2, below))) as one,
        ):
            return one.getsockname()[1]
