"""Five times the capacity: who is refused is told so at once and when to come back, who is taken is served in time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from benchmarks.faults.processes import Replica
from benchmarks.service.asked import bodies
from benchmarks.service.callers import Answer, closed_loop, open_loop
from benchmarks.service.part import Part, growth, quantile
from benchmarks.service.replicas import replica, usage_of

TIMES = 5
MAX_WAITING = 32
MAX_BATCH_ROWS = 32
ALLOWED_GROWTH = 0.05
MARGIN = 1.5
"""Over what the queue takes at the mean rate: rates vary, and images of tenants and sizes take turns."""


def run(is_quick: bool) -> Part:
    """Measure the capacity, then let five times as much arrive."""
    seconds = 12 if is_quick else 120
    with replica(max_waiting=MAX_WAITING, max_batch_rows=MAX_BATCH_ROWS) as served:
        return asyncio.run(_overload(served, seconds, probes=32 if is_quick else 256))


async def _overload(served: Replica, seconds: float, probes: int) -> Part:
    await closed_loop(served.url, bodies(16), callers=8)
    begin = time.perf_counter()
    probed = await closed_loop(served.url, bodies(probes, 1), callers=16)
    capacity = len(probed) / (time.perf_counter() - begin)
    memory: list[float] = []
    watching = asyncio.create_task(_watch(served, memory))
    begin = time.perf_counter()
    answers = await open_loop(served.url, bodies(1000, 2), TIMES * capacity, seconds)
    took_s = time.perf_counter() - begin
    watching.cancel()
    taken = [answer for answer in answers if answer.is_success]
    rate = sum(answer.images for answer in taken) / took_s
    # Whoever is taken finds at most so many images before it, those that wait and those that run.
    bound_s = MARGIN * (MAX_WAITING + MAX_BATCH_ROWS) / rate if rate else 0.0
    p95_s = quantile([answer.seconds for answer in taken], 0.95)
    refused = [answer for answer in answers if not answer.is_success]
    wrong = [answer for answer in answers if not _is_in_order(answer)]
    memory_growth = growth(memory)
    return Part(
        claim=f"{TIMES}x overload for {seconds:g} s: every answer a success or a 429/503 with Retry-After; p95 of what "
        "is taken within what a full queue takes; memory flat",
        holds=bool(taken) and not wrong and p95_s <= bound_s and memory_growth <= ALLOWED_GROWTH,
        figures={
            "capacity, requests/s": round(capacity, 2),
            "arrived, requests/s": round(len(answers) / seconds, 2),
            "answers": dict(Counter(answer.error or "ok" for answer in answers)),
            "neither success nor 429/503 with Retry-After": len(wrong),
            "served, requests/s": round(len(taken) / took_s, 2),
            "latency of what is taken, p50, s": round(quantile([one.seconds for one in taken], 0.5), 2),
            "latency of what is taken, p95, s": round(p95_s, 2),
            "its bound, s": round(bound_s, 2),
            "latency of a refusal, p95, s": round(quantile([one.seconds for one in refused], 0.95), 3),
            "Retry-After, s": dict(sorted(Counter(one.retry_after for one in refused).items(), key=str)),
            "resident memory, MiB, first and last": [memory[0], memory[-1]] if memory else [],
            "growth of its peak": round(memory_growth, 4),
        },
    )


def _is_in_order(answer: Answer) -> bool:
    return answer.is_success or (answer.status in (429, 503) and answer.retry_after is not None)


async def _watch(served: Replica, memory: list[float]) -> None:
    while True:
        memory.append(usage_of(served).resident_mib)
        await asyncio.sleep(0.5)
