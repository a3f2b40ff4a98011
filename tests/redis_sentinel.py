"""A real Redis with a replica and a sentinel that promotes it, for tests, on free ports of loopback."""

import subprocess
import time
from pathlib import Path

import redis
from free_ports import free_port
from redis.sentinel import MasterNotFoundError, Sentinel
from redis_server import RedisServer

SERVICE = "trimtab"
START_TIMEOUT_S = 60
DOWN_AFTER_MS = 1500
"""A master that a busy machine keeps from answering for a moment is not down."""

CONFIGURATION = """
port {port}
bind 127.0.0.1
dir {folder}
logfile {folder}/sentinel.log
sentinel monitor {service} 127.0.0.1 {master} 1
sentinel down-after-milliseconds {service} {down_after_ms}
sentinel failover-timeout {service} 3000
"""


class RedisSentinel:
    """Two servers and who watches them; the first is the master until it is killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        for name in ("first", "second"):
            (folder / name).mkdir()
        self.first = RedisServer(folder / "first", options=["--repl-diskless-sync-delay", "0"])

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.port}/{SERVICE}"

    def start(self) -> None:
        """Start all three, and wait until the sentinel knows them and the replica follows."""
        self.first.start()
        follows = ["--replicaof", "127.0.0.1", str(self.first.port)]
        self.second = RedisServer(self._folder / "second", options=follows)
        self.second.start()
        _until(lambda: _role(self.second.port) == ["slave", "connected"])
        file = self._folder / "sentinel.conf"
        file.write_text(
            CONFIGURATION.format(
                port=self.port,
                folder=self._folder,
                service=SERVICE,
                master=self.first.port,
                down_after_ms=DOWN_AFTER_MS,
            )
        )
        self._process = subprocess.Popen(["redis-server", str(file), "--sentinel"])
        _until(lambda: self.master == self.first.port)
        _until(lambda: self._replicas == [self.second.port])

    @property
    def master(self) -> int | None:
        """The port of the master as the sentinel knows it."""
        try:
            return int(self._ask(lambda sentinel: sentinel.discover_master(SERVICE))[1])
        except (MasterNotFoundError, redis.RedisError):
            return None

    @property
    def _replicas(self) -> list[int]:
        return [port for _, port in self._ask(lambda sentinel: sentinel.discover_slaves(SERVICE))]

    def _ask(self, question):
        sentinel = Sentinel([("127.0.0.1", self.port)], socket_timeout=1)
        try:
            return question(sentinel)
        finally:
            sentinel.close()

    def until_followed(self) -> None:
        """Wait until the replica has all that the master has: a busy machine may keep it from that for a moment."""
        with redis.Redis(port=self.first.port) as master, redis.Redis(port=self.second.port) as replica:
            written = master.info("replication")["master_repl_offset"]
            _until(lambda: replica.info("replication")["slave_repl_offset"] >= written)

    def fail_over(self) -> None:
        """Kill the master as a crash would, and wait until the replica is it."""
        self.first.kill()
        _until(lambda: self.master == self.second.port)

    def kill(self) -> None:
        for server in (self.first, self.second):
            server.kill()
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _role(port: int) -> list[str]:
    with redis.Redis(port=port, decode_responses=True) as client:
        role = client.role()
        return [role[0], role[3]] if role[0] == "slave" else [role[0]]


def _until(met) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not met():
        assert time.monotonic() < deadline, "The sentinel does not get there."
        time.sleep(0.02)
