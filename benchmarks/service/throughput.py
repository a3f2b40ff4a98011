"""Requests a second through HTTP, beside the engine's own: the same mixed requests, by as many callers.

The two take turns in one run, each in a process of its own, so that what else the machine does meets both. The engine
computes on one core in either, and HTTP and the callers have the others, as beside a GPU. The claim is
about requests of as many steps as `benchmarks.engine` asks for. What a request costs beside the engine is the same
however few its steps are, so requests of a few steps are the worst case: they are measured too, by `--quick` alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.faults.processes import Replica
from benchmarks.service.asked import FEW_STEPS, USUAL_STEPS, bodies
from benchmarks.service.callers import closed_loop, steady_rate
from benchmarks.service.part import Part
from benchmarks.service.replicas import replica

CALLERS = 32
LEAST = 0.95


def run(is_quick: bool) -> Part:
    """Let both make the same, in turns."""
    rounds = 2 if is_quick else 3
    loads = {"few steps": bodies(128 if is_quick else 400, 4, most_images=1, steps=FEW_STEPS)}
    if not is_quick:
        loads["usual steps"] = bodies(160, 4, most_images=1, steps=USUAL_STEPS)
    with replica() as served:
        compared = {name: _compared(served, asked, rounds) for name, asked in loads.items()}
    return Part(
        claim=f"requests a second through HTTP at least {LEAST:.0%} of the engine's own",
        holds=compared["few steps" if is_quick else "usual steps"]["share"] >= LEAST,
        figures={**compared, "callers": CALLERS},
    )


def _compared(served: Replica, asked: Sequence[Mapping[str, Any]], rounds: int) -> dict[str, Any]:
    """Return the requests a second of both over so many rounds, after one that warms up."""
    http, alone = [], []
    with _engine(asked) as engine:
        _over_http(served.url, asked)
        _alone(engine)
        for number in range(rounds):
            for is_http in (number % 2 == 0, number % 2 == 1):
                if is_http:
                    http.append(_over_http(served.url, asked))
                else:
                    alone.append(_alone(engine))
    steps = [body["num_inference_steps"] for body in asked]
    return {
        "through HTTP, requests/s": round(statistics.median(http), 2),
        "the engine alone, requests/s": round(statistics.median(alone), 2),
        "share": round(statistics.median(http) / statistics.median(alone), 3),
        "rounds through HTTP, requests/s": [round(one, 2) for one in http],
        "rounds of the engine alone, requests/s": [round(one, 2) for one in alone],
        "steps": [min(steps), max(steps)],
        "requests of a round": len(asked),
    }


def _over_http(url: str, asked: Sequence[Mapping[str, Any]]) -> float:
    answers = asyncio.run(closed_loop(url, asked, CALLERS))
    assert all(answer.is_success for answer in answers), [one for one in answers if not one.is_success][:3]
    return steady_rate([answer.ended_s for answer in answers], CALLERS)


def _alone(engine: subprocess.Popen[str]) -> float:
    return float(_told(engine, ""))


def _told(engine: subprocess.Popen[str], line: str) -> str:
    assert engine.stdin is not None, "it is a pipe"
    assert engine.stdout is not None, "it is a pipe"
    engine.stdin.write(f"{line}\n")
    engine.stdin.flush()
    return engine.stdout.readline()


@contextmanager
def _engine(asked: Sequence[Mapping[str, Any]]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.service.engine_alone"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        told = _told(process, json.dumps({"bodies": asked, "callers": CALLERS}))
        assert told == "prepared\n", "the engine did not start"
        yield process
    finally:
        process.kill()
        process.communicate()
