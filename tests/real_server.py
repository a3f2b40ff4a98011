"""A service as its clients meet it: the server on a loopback port, in a thread of the test's process."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from service.app import create_app
from service.server import Server
from service.settings import Settings

READY_TIMEOUT_S = 120


@contextmanager
def real_server(settings: Settings, listener: socket.socket | None = None) -> Iterator[str]:
    """Serve, and give the address once the model is loaded; a listener of the test's own is closed with the server."""
    server = Server(create_app(settings))
    server.config.port = 0
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    thread = threading.Thread(target=server.run, args=(None if listener is None else [listener],))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        deadline = time.monotonic() + READY_TIMEOUT_S
        while (answer := httpx2.get(f"{url}/readyz", timeout=60)).status_code != 200:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.05)
        yield url
    finally:
        server.should_exit = True
        thread.join()


def sample(url: str, name: str) -> float:
    """The value of one sample of /metrics, 0 where it has not been counted yet."""
    lines = httpx2.get(f"{url}/metrics", timeout=60).text.splitlines()
    return sum(float(line.removeprefix(f"{name} ")) for line in lines if line.startswith(f"{name} "))
