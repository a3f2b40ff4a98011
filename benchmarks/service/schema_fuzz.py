"""Requests made up from the service's OpenAPI document, tens of thousands of them, and every answer checked against it.

schemathesis asks two real servers on the demo model, one without keys and one with keys and tenants, by turns: first
with what each operation's schema has at its edges, then with what fits the schema and what does not, and with chains
of requests that use one another's answers. It holds where no answer is a 5xx or says something else than the document.

Entry points: `run`, a part of the report; `asked_servers`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import yaml
from rich.console import Console

from benchmarks.faults.processes import Replica
from benchmarks.service.contract import Asked, asked_of
from benchmarks.service.part import Part
from benchmarks.service.progress import counted
from service.callers import Role
from service.key_file import changed_keys
from service.key_records import issued

SEED: Final = 7
CASES: Final = 20_000
QUICK_CASES: Final = 1000
EXAMPLES: Final = 40
"""For each operation in each pass."""
LIMITS: Final = {"max_steps": "4", "max_images": "2", "max_pixels": str(128 * 128)}
EDGES: Final = ("examples", "coverage")
MIDDLE: Final = ("fuzzing", "stateful")


@dataclass(frozen=True)
class Server:
    """Who is asked, by which key."""

    name: str
    url: str
    key: str | None


@dataclass
class SchemaFuzz:
    """What came of all made-up requests."""

    asked: Asked
    by_server: dict[str, Asked]
    seconds: float

    def part(self) -> Part:
        """Return it as a part of the report."""
        return Part(
            claim=f"{self.asked.cases:,} requests made up from GET /openapi.json: no 5xx, "
            "every answer as it is described",
            holds=self.asked.is_sound,
            figures={
                "requests": self.asked.cases,
                "by server": {name: asked.cases for name, asked in self.by_server.items()},
                "by status": {str(status): count for status, count in sorted(self.asked.statuses.items())},
                "by operation": dict(sorted(self.asked.operations.items())),
                "not as described": [asdict(finding) for finding in self.asked.findings],
                "errors": self.asked.errors,
                "seconds": round(self.seconds),
                "schemathesis": version("schemathesis"),
                "seed": SEED,
            },
        )


def run(is_quick: bool) -> Part:
    """Start the servers and ask them."""
    with (
        tempfile.TemporaryDirectory(prefix="trimtab-fuzz-") as folder,
        _served(Path(folder)) as servers,
        counted(Console()) as told,
    ):
        return asked_servers(servers, QUICK_CASES if is_quick else CASES, told).part()


def asked_servers(
    servers: Sequence[Server],
    cases: int,
    told: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> SchemaFuzz:
    """Ask servers by turns until they have answered at least so many requests together."""
    begin = time.perf_counter()
    total, by_server = Asked(), {server.name: Asked() for server in servers}
    done = 0

    def answered() -> None:
        nonlocal done
        done += 1
        told("requests", min(done, cases), cases)

    round_ = 0
    while total.cases < cases:
        for server in servers:
            asked = asked_of(
                server.url,
                examples=EXAMPLES,
                phases=MIDDLE if round_ else EDGES,
                seed=SEED + round_,
                key=server.key,
                on_answer=answered,
            )
            total.add(asked)
            by_server[server.name].add(asked)
            if total.cases >= cases and round_:
                break
        round_ += 1
    return SchemaFuzz(total, by_server, time.perf_counter() - begin)


@contextmanager
def _served(folder: Path) -> Iterator[Sequence[Server]]:
    """Serve without keys, and with keys and tenants, each in a process of its own."""
    keys, config = folder / "keys.json", folder / "config.yaml"
    studio, shop = (
        _key(keys, "studio", ("generate", "read", "admin")),
        _key(keys, "shop", ("generate", "read")),
    )
    tenants = {
        "studio": {},
        "shop": {"floor": "strict", "concepts": ["woman", "man"], "images_per_minute": 600},
    }
    config.write_text(yaml.safe_dump({"tenants": tenants}), encoding="utf-8")
    plain = Replica(folder / "plain.log", LIMITS)
    guarded = Replica(folder / "guarded.log", {**LIMITS, "keys": str(keys), "config": str(config)})
    try:
        for replica in (plain, guarded):
            replica.start()
            replica.until_ready()
        yield (
            Server("without keys", plain.url, None),
            Server("an admin's key", guarded.url, studio),
            Server("a tenant's key", guarded.url, shop),
        )
    finally:
        for replica in (plain, guarded):
            replica.kill()


def _key(file: Path, tenant: str, roles: Sequence[Role]) -> str:
    new = issued(tenant, roles, datetime.now(UTC))
    with changed_keys(file) as keys:
        keys[new.record.id] = new.record
    return new.key.get_secret_value()
