"""The engine without HTTP, in a process of its own: the same images, from plans made beforehand.

Run by `benchmarks.service.throughput`: for every line on stdin it makes all images once, and says how many requests a
second it made.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing

from benchmarks.service.callers import steady_rate
from diffusion import Engine, Failed, Order
from policies.memory_ledger import MemoryLedger
from service.generation import Generation
from service.loading import load_alone
from service.making import prepared_orders
from service.schemas import GenerateRequest
from service.settings import load_settings


def main() -> None:
    """Prepare what the first line asks for; make it once for every line after."""
    asked = json.loads(sys.stdin.readline())
    settings = load_settings({"device": "cpu"})
    loaded = load_alone(settings)
    generation = Generation(loaded, settings, MemoryLedger())
    requests = [GenerateRequest(**body) for body in asked["bodies"]]
    orders = asyncio.run(_prepared(generation, requests))
    print("prepared", flush=True)
    for _ in sys.stdin:
        ended_s = asyncio.run(_made(loaded.engine, orders, asked["callers"]))
        print(steady_rate(ended_s, asked["callers"]), flush=True)


async def _prepared(generation: Generation, requests: Sequence[GenerateRequest]) -> list[list[Order]]:
    orders = []
    for request in requests:
        planned = await generation.plan(request)
        orders.append(prepared_orders(generation.loaded, planned, planned.images))
    return orders


async def _made(engine: Engine, orders: Sequence[Sequence[Order]], callers: int) -> list[float]:
    """Return when each was made."""
    left, ended_s = iter(orders), []

    async def call() -> None:
        for one in left:
            async with aclosing(engine.stream(one)) as events:
                async for event in events:
                    if isinstance(event, Failed):
                        raise event.error
            ended_s.append(time.perf_counter())

    await asyncio.gather(*(call() for _ in range(callers)))
    return ended_s


if __name__ == "__main__":
    main()
