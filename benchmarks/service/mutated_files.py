"""Hostile vector files and policy documents by the thousand: refused with a reason or accepted, and never a crash.

Every vector file goes through what reads uploads, every policy file through what reads the policy folder, every policy
of a request through what answers POST /policies/explain; a sample of each goes over HTTP to a real server. Exits 1
where anything else than a refusal with its reason came of one. The same seed makes the same files.

    python -m benchmarks.service.mutated_files --json benchmarks/results/mutated_files.json
    python -m benchmarks.service.mutated_files --quick
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import httpx2
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from benchmarks.faults.processes import Replica
from benchmarks.machine import described
from benchmarks.service.document_mutations import mutated_document, mutated_file
from benchmarks.service.progress import counted
from benchmarks.service.vector_mutations import mutated_vector
from policies.errors import PolicyError
from policies.files import read_policy
from policies.memory_ledger import MemoryLedger
from service.errors import ServiceError
from service.generation import Generation
from service.loading import LoadedModel, load_alone
from service.schemas import GenerateRequest
from service.settings import Settings
from service.uploads import read_upload

SEED: Final = 7
FILES, DOCUMENTS, OVER_HTTP = 2000, 2000, 200
PROMPT: Final = "a photo of a doctor"
SLOW_S: Final = 5.0
"""What takes longer to refuse is a way to keep a service busy, and counts as a crash."""


@dataclass
class Tally:
    """What came of hostile inputs of one kind."""

    what: str
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By the error's name, or what a server or pydantic calls it."""
    crashed: list[str] = field(default_factory=list)
    """The seed, and what happened."""
    slowest_s: float = 0.0

    @property
    def total(self) -> int:
        """How many there were."""
        return self.accepted + self.refused.total() + len(self.crashed)


@dataclass
class MutatedFiles:
    """What came of all of them."""

    tallies: list[Tally]
    seconds: float

    @property
    def is_sound(self) -> bool:
        """Whether each was refused with a reason or accepted."""
        return not any(tally.crashed for tally in self.tallies)

    def to_json(self) -> dict[str, Any]:
        """Return the figures with the machine and the date."""
        return described("cpu") | {
            "seed": SEED,
            "seconds": round(self.seconds),
            "tallies": [{"total": tally.total} | asdict(tally) for tally in self.tallies],
        }

    def table(self) -> Table:
        """Return the figures for people."""
        table = Table("what", "inputs", "refused", "accepted", "crashed", "reasons", "slowest")
        for one in self.tallies:
            reasons = ", ".join(f"{reason} {count}" for reason, count in one.refused.most_common(6))
            counts = (one.total, one.refused.total(), one.accepted, len(one.crashed))
            table.add_row(one.what, *map(str, counts), reasons, f"{one.slowest_s:.2f} s")
        return table


def run(
    files: int = FILES,
    documents: int = DOCUMENTS,
    over_http: int = OVER_HTTP,
    told: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> MutatedFiles:
    """Try so many files, documents, and inputs over HTTP; `told` hears of the progress."""
    begin = time.perf_counter()
    loaded = load_alone(Settings(device="cpu"))
    tallies = [vector_files(loaded, files, told)]
    tallies += [
        policy_files(loaded, documents // 2, told),
        policies_of_requests(loaded, documents // 2, told),
    ]
    if over_http:
        with tempfile.TemporaryDirectory(prefix="trimtab-mutated-") as folder:
            replica = Replica(Path(folder) / "replica.log", {"max_steps": "4"})
            try:
                replica.start()
                replica.until_ready()
                tallies.append(over_a_connection(loaded, replica.url, over_http, told))
            finally:
                replica.kill()
    return MutatedFiles(tallies, time.perf_counter() - begin)


def vector_files(
    loaded: LoadedModel, count: int, told: Callable[[str, int, int], None] = lambda what, done, total: None
) -> Tally:
    """Read so many mutated vector files as uploads are read."""
    sound = _sound_vector(loaded)
    limit = Settings().max_vector_norm
    return _tally(
        "vector files", count, lambda seed: read_upload(mutated_vector(sound, seed)[1], loaded, limit), told
    )


def policy_files(
    loaded: LoadedModel, count: int, told: Callable[[str, int, int], None] = lambda what, done, total: None
) -> Tally:
    """Read so many mutated policy files as those of the folder are read, and plan with what is accepted."""
    generation = _generation(loaded)
    with tempfile.TemporaryDirectory(prefix="trimtab-policies-") as folder:

        def read(seed: int) -> None:
            suffix, content = mutated_file(seed)
            file = Path(folder) / f"policy{suffix}"
            file.write_bytes(content)
            policy = read_policy(file)
            generation.explain(GenerateRequest(prompt=PROMPT, num_images=2, policy=policy))

        return _tally("policy files", count, read, told)


def policies_of_requests(
    loaded: LoadedModel, count: int, told: Callable[[str, int, int], None] = lambda what, done, total: None
) -> Tally:
    """Plan with so many mutated policies that stand in requests."""
    generation = _generation(loaded)

    def plan(seed: int) -> None:
        given = {"prompt": PROMPT, "num_images": 2, "policy": mutated_document(seed)}
        generation.explain(GenerateRequest.model_validate(given))

    return _tally("policies of requests", count, plan, told)


def over_a_connection(
    loaded: LoadedModel,
    url: str,
    count: int,
    told: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Tally:
    """Send so many of them to a server, vectors and policies by turns."""
    sound = _sound_vector(loaded)
    with httpx2.Client(base_url=url, timeout=60) as client:

        def send(seed: int) -> None:
            if seed % 2:
                answer = client.post("/admin/vectors", content=mutated_vector(sound, seed)[1])
            else:
                body = {"prompt": PROMPT, "policy": mutated_document(seed)}
                headers = {"Content-Type": "application/json"}
                answer = client.post("/policies/explain", content=json.dumps(body), headers=headers)
            if answer.status_code >= 500:
                raise AssertionError(f"{answer.status_code}: {answer.text[:200]}")
            if answer.status_code >= 400:
                raise _RefusedError(answer.json()["error"]["code"])

        return _tally("over HTTP", count, send, told)


class _RefusedError(Exception):
    """A refusal by a server, by its code."""


def _tally(
    what: str, count: int, attempt: Callable[[int], object], told: Callable[[str, int, int], None]
) -> Tally:
    tally = Tally(what)
    for number in range(count):
        told(what, number, count)
        seed = SEED * 1_000_000 + number
        begin = time.perf_counter()
        try:
            attempt(seed)
        except _RefusedError as error:
            tally.refused[str(error)] += 1
        except (ServiceError, PolicyError) as error:
            tally.refused[type(error).__name__] += 1
        except ValidationError as error:
            tally.refused[error.errors(include_input=False, include_url=False)[0]["type"]] += 1
        except Exception as error:  # whatever else it is, it is what is looked for
            tally.crashed.append(f"{seed}: {type(error).__name__}: {str(error)[:200]}")
        else:
            tally.accepted += 1
        seconds = time.perf_counter() - begin
        tally.slowest_s = max(tally.slowest_s, seconds)
        if seconds > SLOW_S:
            tally.crashed.append(f"{seed}: took {seconds:.1f} s")
    told(what, count, count)
    return tally


def _sound_vector(loaded: LoadedModel) -> bytes:
    stored = loaded.vectors["woman"]
    return Path(stored.path).read_bytes()


def _generation(loaded: LoadedModel) -> Generation:
    return Generation(loaded, Settings(), MemoryLedger())


def main(
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
    quick: Annotated[bool, typer.Option(help="A tenth of everything: half a minute.")] = False,
) -> None:
    """Try hostile files and documents; see the head of this file."""
    console = Console()
    part = 10 if quick else 1
    with counted(console) as told:
        result = run(FILES // part, DOCUMENTS // part, OVER_HTTP // part, told)
    console.print(result.table())
    for tally in result.tallies:
        for crash in tally.crashed:
            console.print(f"{tally.what}: {crash}", markup=False)
    if json_path is not None:
        json_path.write_text(json.dumps(result.to_json(), indent=2) + "\n", encoding="utf-8")
    if not result.is_sound:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
