"""A real Redis for tests, on a free port of loopback, with its data in a folder of its own."""

import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import redis
from free_ports import free_port

START_TIMEOUT_S = 60


class RedisServer:
    """A redis-server process that can be stopped, held and started again on the same port.

    Without `keep` it forgets everything when it stops; with it every write is on disk before it is answered. With
    `tls_options` it answers on `tls_port` too.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keep: bool = False,
        options: Sequence[str] = (),
        tls_options: Sequence[str] = (),
    ) -> None:
        self._program = shutil.which("redis-server")
        assert self._program, "The tests need redis-server: run scripts/install-test-services."
        self._folder = folder
        self._keep = keep
        self._options, self._tls_options = options, tls_options
        self._process: subprocess.Popen[bytes] | None = None
        self._was_started = False
        self.port, self.tls_port = free_port(), free_port()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers; the first time on another port where something else took this one."""
        for _ in range(3):
            if self._started():
                self._was_started = True
                return
            assert not self._was_started, f"Port {self.port} was taken while the server was down."
            self.port, self.tls_port = free_port(), free_port()
        raise AssertionError(f"redis-server does not start: {(self._folder / 'redis.log').read_text()}")

    def _started(self) -> bool:
        """Start the process, and say whether it is the one that answers."""
        tls = ["--tls-port", str(self.tls_port), *self._tls_options] if self._tls_options else []
        persistence = ["--appendonly", "yes", "--appendfsync", "always"] if self._keep else ["--save", ""]
        self._process = subprocess.Popen(
            [
                self._program,
                *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)),
                *("--logfile", str(self._folder / "redis.log"), *persistence),
                *self._options,
                *tls,
            ]
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        with redis.Redis(port=self.port) as client:
            while self._process.poll() is None and time.monotonic() < deadline:
                with contextlib.suppress(redis.RedisError):
                    if client.info("server")["process_id"] == self._process.pid:
                        return True
                time.sleep(0.01)
        self.kill()
        return False

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hold(self) -> None:
        """Stop it from answering; its connections stay."""
        self._process.send_signal(signal.SIGSTOP)

    def let_go(self) -> None:
        self._process.send_signal(signal.SIGCONT)
