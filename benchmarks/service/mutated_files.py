"""Hostile vector files and policy documents by the thousand: refused with a reason or accepted, and never a crash.

Every vector file goes through what reads uploads, every policy file through what reads the policy folder, every policy
of a request through what answers POST /policies/explain; a sample of each goes over HTTP to a real server. The same
seed makes the same files.

Entry point: `run`, a part of the report.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
from pydantic import ValidationError
from rich.console import Console

from benchmarks.service.document_mutations import mutated_document, mutated_file
from benchmarks.service.part import Part
from benchmarks.service.progress import counted
from benchmarks.service.replicas import replica
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

    def to_json(self) -> dict[str, Any]:
        """Return the figures."""
        return {
            "total": self.total,
            "accepted": self.accepted,
            "refused": dict(self.refused.most_common()),
            "crashed": self.crashed,
            "slowest_s": round(self.slowest_s, 3),
        }


def run(is_quick: bool) -> Part:
    """Try hostile files and documents, a sample of them over HTTP."""
    begin = time.perf_counter()
    share = 10 if is_quick else 1
    loaded = load_alone(Settings(device="cpu"))
    with counted(Console()) as told, replica(max_steps=4) as served:
        tallies = [
            vector_files(loaded, FILES // share, told),
            policy_files(loaded, DOCUMENTS // share // 2, told),
            policies_of_requests(loaded, DOCUMENTS // share // 2, told),
            over_a_connection(loaded, served.url, OVER_HTTP // share, told),
        ]
    return part_of(tallies, time.perf_counter() - begin)


def part_of(tallies: Sequence[Tally], seconds: float) -> Part:
    """Return what came of all as a part of the report."""
    return Part(
        claim=f"{sum(tally.total for tally in tallies):,} mutated vector files and policy documents: each refused with "
        "its reason or sound, and never a crash",
        holds=not any(tally.crashed for tally in tallies),
        figures={
            **{tally.what: tally.to_json() for tally in tallies},
            "seconds": round(seconds),
            "seed": SEED,
        },
    )


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
