"""Load: callers that each wait for their answer, or requests that arrive whether others are answered or not.

Entry points: `Answer`, `closed_loop`, `open_loop`; `steady_rate` of who is asked by callers that wait.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2

Body = Mapping[str, Any]

_UNLIMITED = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
_TIMEOUT_S = 600


@dataclass(frozen=True)
class Answer:
    """What became of one request."""

    status: int
    """0 where there was no answer."""
    seconds: float
    ended_s: float
    """When it came, by `time.perf_counter`."""
    images: int
    """How many were asked for."""
    retry_after: str | None = None
    error: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether its images came."""
        return self.status == 200


async def closed_loop(url: str, bodies: Sequence[Body], callers: int) -> list[Answer]:
    """Have so many callers share the requests, each asking for the next once it is answered."""
    async with _client(url) as client:
        left = iter(bodies)

        async def call() -> list[Answer]:
            return [await ask(client, body) for body in left]

        shares = await asyncio.gather(*(call() for _ in range(callers)))
    return list(itertools.chain(*shares))


def steady_rate(ended_s: Iterable[float], callers: int) -> float:
    """Return the answers a second while all callers are at work, from when each answer came.

    Those of the first requests of all callers, and as many of the last, are left out: batches fill and empty then.
    """
    steady = sorted(ended_s)[callers:-callers]
    return (len(steady) - 1) / (steady[-1] - steady[0])


async def callers_until(
    url: str, bodies: Callable[[], Iterator[Body]], callers: int, ended: asyncio.Event
) -> list[Answer]:
    """Have so many callers ask again and again until the event is set; what is asked by then is waited for."""
    async with _client(url) as client:
        left = bodies()

        async def call() -> list[Answer]:
            answers = []
            while not ended.is_set():
                answers.append(await ask(client, next(left)))
            return answers

        shares = await asyncio.gather(*(call() for _ in range(callers)))
    return list(itertools.chain(*shares))


async def open_loop(url: str, bodies: Sequence[Body], per_s: float, seconds: float) -> list[Answer]:
    """Have requests arrive at random, so many a second, however many of them still wait."""
    draw, asked = random.Random(0), itertools.cycle(bodies)
    async with _client(url) as client:
        begin = time.perf_counter()
        tasks, due_s = [], 0.0
        while (due_s := due_s + draw.expovariate(per_s)) < seconds:
            await asyncio.sleep(max(0.0, begin + due_s - time.perf_counter()))
            tasks.append(asyncio.create_task(ask(client, next(asked))))
        return await asyncio.gather(*tasks)


async def ask(client: httpx2.AsyncClient, body: Body) -> Answer:
    """Send one request, once."""
    begin = time.perf_counter()
    images = int(body.get("num_images", 1))
    try:
        answer = await client.post("/generate", json=body)
    except httpx2.TransportError as error:
        ended = time.perf_counter()
        return Answer(0, ended - begin, ended, images, error=repr(error))
    ended = time.perf_counter()
    code = None if answer.status_code == 200 else str(answer.json()["error"]["code"])
    return Answer(
        answer.status_code,
        ended - begin,
        ended,
        images,
        answer.headers.get("retry-after"),
        code,
    )


def _client(url: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=url, timeout=_TIMEOUT_S, limits=_UNLIMITED)
