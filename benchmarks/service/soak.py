"""Ten thousand images over HTTP, of all kinds: memory, threads and file descriptors stay as they are.

Counted are the images that came; those of requests that are refused or given up are asked for on top.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import httpx2
from rich.progress import Progress

from benchmarks.faults.processes import Replica
from benchmarks.service.asked import SAMPLED
from benchmarks.service.part import Part, growth
from benchmarks.service.replicas import Usage, replica, usage_of

CALLERS = 8
ALLOWED_GROWTH = 0.03
ALLOWED_MORE = 4
"""Threads or file descriptors: pools fill up, and connections come and go."""
SAMPLES = 50


def run(is_quick: bool) -> Part:
    """Ask for images until there have been enough."""
    images = 200 if is_quick else 10_000
    with replica() as served:
        return asyncio.run(_soak(served, images))


async def _soak(served: Replica, images: int) -> Part:
    outcomes: Counter[str] = Counter()
    usages: list[Usage] = []
    numbers, done = itertools.count(), 0
    begin = time.perf_counter()
    with Progress(transient=True) as bar:
        task = bar.add_task("soak", total=images)
        async with httpx2.AsyncClient(base_url=served.url, timeout=600) as client:

            async def call() -> None:
                nonlocal done
                while done < images:
                    body, way = _asked(next(numbers))
                    outcome = await _one(client, body, way)
                    outcomes[outcome] += 1
                    done += body["num_images"] if outcome.startswith("200") else 0
                    bar.update(task, completed=done)
                    if done >= len(usages) * images / SAMPLES:
                        usages.append(usage_of(served))

            await asyncio.gather(*(call() for _ in range(CALLERS)))
    seconds = time.perf_counter() - begin
    # The first fifth fills pools and caches.
    warm, last = usages[len(usages) // 5], usages[-1]
    memory_growth = growth([usage.resident_mib for usage in usages])
    holds = (
        memory_growth <= ALLOWED_GROWTH
        and last.threads <= warm.threads + ALLOWED_MORE
        and last.file_descriptors <= warm.file_descriptors + ALLOWED_MORE
        and not any(outcome.startswith("5") for outcome in outcomes)
    )
    return Part(
        claim=f"{images} images: memory, threads and file descriptors stay flat",
        holds=holds,
        figures={
            "images": done,
            "images/s": round(done / seconds, 1),
            "outcomes": dict(sorted(outcomes.items())),
            "after a fifth": asdict(warm),
            "at the end": asdict(last),
            "growth of the memory's peak": round(memory_growth, 4),
            "resident memory, MiB": [usage.resident_mib for usage in usages],
        },
    )


def _asked(number: int) -> tuple[dict[str, Any], str]:
    """Return a request and how it is asked for; every eighth is wrong, every eighth is given up."""
    draw = random.Random(number)
    body = {
        "prompt": f"a photo of a {draw.choice(('doctor', 'nurse', 'cat'))}",
        "seed": number,
        "num_images": draw.randint(1, 4),
        "num_inference_steps": draw.randint(1, 3),
        **draw.choice(SAMPLED),
        "image_format": draw.choice(("png", "jpeg", "webp")),
    }
    return body, ("json", "png", "stream", "json", "wrong", "png", "gone", "json")[number % 8]


async def _one(client: httpx2.AsyncClient, body: Mapping[str, Any], way: str) -> str:
    match way:
        case "wrong":
            answer = await client.post("/generate", json={**body, "scheduler": "none"})
        case "png":
            answer = await client.post("/generate", json=body, headers={"Accept": "image/png"})
        case "stream":
            answer = await client.post("/generate", json={**body, "stream": True, "preview_every": 1})
        case "gone":
            with suppress(httpx2.TimeoutException):
                await client.post("/generate", json={**body, "num_inference_steps": 50}, timeout=0.05)
            return "given up"
        case _:
            answer = await client.post("/generate", json=body)
    return f"{answer.status_code} {way}"
