"""The processes that faults are done to: Redis, its sentinels, and replicas of the service.

Entry points: `RedisProcess`, `Sentinels`, `Replica`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx2
import redis

START_TIMEOUT_S = 300
SERVICE_NAME = "jobs"
"""What the sentinels call the Redis."""

# The replicas' own word on what they do with jobs goes to their logs.
_SERVE = (
    "import logging; logging.basicConfig(level=logging.INFO, format='%(asctime)s %(name)s: %(message)s'); "
    "from trimtab.commands import main; main()"
)


class Process:
    """A process that can be killed, held and started again; its output goes to a file."""

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._command, self.log = list(command), log
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it may take a while to answer."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=self._environment, start_new_session=True
            )

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hold(self) -> None:
        """Stop it from doing anything; its connections stay."""
        self._signal(signal.SIGSTOP)

    def let_go(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def terminate(self) -> None:
        """Ask it to end, as an orchestrator does."""
        self._signal(signal.SIGTERM)

    def exit_code(self) -> int:
        """Wait for its end, and return what it ended with."""
        assert self._process is not None, "it was not started"
        code = self._process.wait(timeout=START_TIMEOUT_S)
        self._process = None
        return code

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self._process is not None, "it was not started"
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "it was not started"
        self._process.send_signal(number)


class RedisProcess(Process):
    """A redis-server on loopback whose writes are on disk before they are answered."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self.port = free_port()
        super().__init__(
            [
                _redis_server(),
                *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)),
                *("--appendonly", "yes", "--appendfsync", "always", *options),
            ],
            folder.with_suffix(".log"),
        )

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        super().start()
        _until_answers(self.port)

    def forget(self) -> None:
        """Remove what it has on disk."""
        shutil.rmtree(self._folder)
        self._folder.mkdir()


class Sentinels:
    """A Redis, one that follows it, and three sentinels that have the other take over where the first falls silent."""

    def __init__(self, folder: Path) -> None:
        self.first = RedisProcess(folder / "first")
        self.second = RedisProcess(folder / "second", "--replicaof", "127.0.0.1", str(self.first.port))
        self._ports = [free_port() for _ in range(3)]
        self._processes = [self._sentinel(folder / f"sentinel{port}.conf", port) for port in self._ports]

    @property
    def url(self) -> str:
        """The address of the service that they keep up."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._ports)
        return f"redis+sentinel://{hosts}/{SERVICE_NAME}"

    def start(self) -> None:
        """Start all, and wait until the sentinels know each other and the one that follows."""
        for process in (self.first, self.second, *self._processes):
            process.start()
        for port in self._ports:
            _until_answers(port)
        with redis.Redis(port=self._ports[0], decode_responses=True) as client:
            deadline = time.monotonic() + START_TIMEOUT_S
            while True:
                (master,) = client.sentinel_masters().values()
                if (master["num-slaves"], master["num-other-sentinels"]) == (1, 2):
                    return
                assert time.monotonic() < deadline, master
                time.sleep(0.2)

    def until_taken_over(self) -> None:
        """Wait until the second is the one that is written to."""
        deadline = time.monotonic() + START_TIMEOUT_S
        with redis.Redis(port=self._ports[0], decode_responses=True) as client:
            while client.sentinel_get_master_addr_by_name(SERVICE_NAME)[1] != self.second.port:
                assert time.monotonic() < deadline, "the sentinels leave the first Redis in charge"
                time.sleep(0.1)

    def kill(self) -> None:
        """End all."""
        for process in (*self._processes, self.second, self.first):
            process.kill()

    def _sentinel(self, file: Path, port: int) -> Process:
        file.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {file.parent}\n"
            f"sentinel monitor {SERVICE_NAME} 127.0.0.1 {self.first.port} 2\n"
            f"sentinel down-after-milliseconds {SERVICE_NAME} 1000\n"
            f"sentinel failover-timeout {SERVICE_NAME} 5000\n",
            encoding="ascii",
        )
        return Process([_redis_server(), str(file), "--sentinel"], file.with_suffix(".log"))


class Replica(Process):
    """`trimtab serve` on the demo model, with a shared state."""

    def __init__(self, log: Path, settings: Mapping[str, str], port: int | None = None) -> None:
        """Take a port, and with it an address, that it keeps when it is started again."""
        self.port = free_port() if port is None else port
        self.url = f"http://127.0.0.1:{self.port}"
        self._began = 0
        variables = {f"TRIMTAB_{key.upper()}": value for key, value in settings.items()}
        super().__init__(
            [sys.executable, "-c", _SERVE, "serve", "--port", str(self.port)],
            log,
            {"OMP_NUM_THREADS": "1", **variables},
        )

    def start(self) -> None:
        """Start it; it loads for some seconds before it is ready."""
        self._began = self.log.stat().st_size if self.log.exists() else 0
        super().start()

    def until_ready(self) -> None:
        """Wait until it serves, and reaches the shared state."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            with contextlib.suppress(httpx2.TransportError):
                answer = httpx2.get(f"{self.url}/readyz", timeout=10)
                if answer.status_code == 200 and answer.json()["status"] == "ready":
                    return
            assert self.is_alive, f"a replica ended: {self.log}"
            assert time.monotonic() < deadline, f"a replica does not get ready: {self.log}"
            time.sleep(0.1)

    @property
    def making(self) -> set[str]:
        """The jobs that it has claimed since it was started, and not ended."""
        said = self.log.read_bytes()[self._began :].decode(errors="replace")
        claimed = set(re.findall(r"Job (\w+) is claimed", said))
        return claimed - set(re.findall(r"Job (\w+) (?:ended|is given back|is another)", said))

    @property
    def ended(self) -> list[str]:
        """The jobs that it ended, each as often as it did."""
        return re.findall(r"Job (\w+) ended:", self.log.read_text(encoding="utf-8", errors="replace"))


def free_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def _redis_server() -> str:
    program = shutil.which("redis-server")
    assert program, "This needs redis-server: run scripts/install-test-services."
    return program


def _until_answers(port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    with redis.Redis(port=port, socket_timeout=2) as client:
        while True:
            with contextlib.suppress(redis.RedisError):
                if client.ping():
                    return
            assert time.monotonic() < deadline, f"nothing answers on port {port}"
            time.sleep(0.02)
