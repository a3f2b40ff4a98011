import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from kept_logging import kept_logging

from service.app import create_app
from service.observability.logs import configure_logs
from service.server import Server
from service.settings import Settings

TIMEOUT_S = 120


@dataclass(frozen=True)
class Logged:
    """A served app, and what its process has logged."""

    url: str
    written: io.StringIO

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.written.getvalue().splitlines()]

    def of(self, request_id: str, logger: str = "trimtab.access") -> list[dict[str, Any]]:
        return [
            line for line in self.lines() if line.get("request_id") == request_id and line["logger"] == logger
        ]

    def line(self, request_id: str, logger: str = "trimtab.access") -> dict[str, Any]:
        """The one line of a request, as soon as it is there: it is written when all has been sent."""
        wait_for(lambda: bool(self.of(request_id, logger)))
        (line,) = self.of(request_id, logger)
        return line


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def logging_to(stream: io.StringIO, log_format: str = "json", level: str = "info") -> Iterator[None]:
    """Log as a served process does, and leave logging as it was."""
    with kept_logging():
        configure_logs(log_format, level, stream)
        yield


@contextmanager
def _served(settings: Settings) -> Iterator[Logged]:
    written = io.StringIO()
    with logging_to(written):
        server = Server(create_app(settings))
        server.config.port = 0
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            wait_for(lambda: server.started or not thread.is_alive())
            url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
            wait_for(lambda: httpx2.get(f"{url}/readyz", timeout=TIMEOUT_S).status_code == 200)
            yield Logged(url, written)
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session")
def served() -> Callable[[Settings], AbstractContextManager[Logged]]:
    """Serves on a port of its own, as `trimtab serve` does."""
    return _served


@pytest.fixture(scope="session")
def logged_to() -> Callable[..., AbstractContextManager[None]]:
    return logging_to


@pytest.fixture(scope="module")
def narrow_client(options, until_ready) -> Iterator[TestClient]:
    """A service that makes two guided images at a time and allows long runs."""
    with TestClient(create_app(Settings(**{**options, "max_batch_rows": 4, "max_steps": 1000}))) as client:
        until_ready(client.get)
        yield client


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], bool]], None]:
    """Waits until something holds."""
    return wait_for
