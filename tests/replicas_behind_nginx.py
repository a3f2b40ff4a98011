"""Three replicas of the demo service on one Redis, with keys, for a gateway in front of them.

Entry points: `Replicas`, `created_key`.
"""

import time
from collections.abc import Callable
from pathlib import Path

import httpx2
from free_ports import free_port
from real_server import sample
from redis_server import RedisServer
from typer.testing import CliRunner

from benchmarks.faults.processes import Replica
from trimtab.commands import app

COUNT = 3
PATIENCE_S = 120


def created_key(file: Path, tenant: str, *options: str) -> str:
    """A key that `trimtab keys` makes."""
    arguments = ["keys", "create", "--keys", str(file), "--tenant", tenant, *options]
    made = CliRunner().invoke(app, arguments)
    assert made.exit_code == 0, made.output
    return made.stdout.split()[0]


class Replicas:
    """The processes; two images fill a step, so that they have the same bytes whoever else asks."""

    def __init__(self, folder: Path, keys: Path) -> None:
        self._redis = RedisServer(folder)
        self._redis.start()
        settings = {
            "redis_url": self._redis.url,
            "keys": str(keys),
            "claim_kept_s": "3",
            "drain_delay_s": "0.5",
            "max_batch_rows": "4",
            "max_steps": "999",
        }
        self.all = [
            Replica(folder / f"replica{number}.log", settings, free_port()) for number in range(COUNT)
        ]

    def start(self) -> None:
        """Start them, and wait until they are ready."""
        for replica in self.all:
            replica.start()
        for replica in self.all:
            replica.until_ready()

    def end(self) -> None:
        """End them as a crash would."""
        for replica in self.all:
            replica.kill()
        self._redis.kill()

    @property
    def url(self) -> str:
        """Of one that lives."""
        return next(replica.url for replica in self.all if replica.is_alive)

    @property
    def ports(self) -> list[int]:
        return [replica.port for replica in self.all]

    def samples(self, name: str) -> list[float]:
        """One sample of the metrics of each that lives."""
        return [sample(replica.url, name) for replica in self.all if replica.is_alive]

    def begun(self, *replicas: Replica) -> float:
        """How many requests for images these have begun; those of a replica that was started again from then on."""
        # Read at once: a request that ends meanwhile goes from one to the other.
        names = ("trimtab_requests_in_flight ", 'trimtab_requests_total{outcome="ok"} ')
        said = [httpx2.get(f"{replica.url}/metrics", timeout=60).text for replica in replicas]
        lines = [line for text in said for line in text.splitlines() if line.startswith(names)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)


def until(is_so: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.02)
