"""A rolling restart under load: no request fails.

Clients with kept connections ask through a balancer that asks replicas every so often whether they are ready, and tries
nothing twice; nor do the clients.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import httpx2

from benchmarks.faults.processes import Replica
from benchmarks.service.asked import bodies
from benchmarks.service.callers import Body, callers_until
from benchmarks.service.part import Part, quantile
from benchmarks.service.replicas import new_replica

CALLERS = 6
POLL_S = 1.0
DRAIN_DELAY_S = 3.0


def run(is_quick: bool) -> Part:
    """Restart every replica, one after another, while requests come."""
    with tempfile.TemporaryDirectory(prefix="trimtab-rolling-") as folder:
        replicas = [
            new_replica(Path(folder) / f"{number}.log", drain_delay_s=DRAIN_DELAY_S) for number in range(2)
        ]
        try:
            for replica in replicas:
                replica.start()
            for replica in replicas:
                replica.until_ready()
            return asyncio.run(_rolled(replicas, rounds=1 if is_quick else 3))
        finally:
            for replica in replicas:
                replica.kill()


async def _rolled(replicas: Sequence[Replica], rounds: int) -> Part:
    balancer = Balancer(replicas)
    url = await balancer.start()
    ended = asyncio.Event()
    asking = asyncio.create_task(callers_until(url, _endless, CALLERS, ended))
    begin = time.perf_counter()
    codes = []
    for replica in list(replicas) * rounds:
        await asyncio.sleep(2)
        replica.terminate()
        codes.append(await asyncio.to_thread(replica.exit_code))
        replica.start()
        await asyncio.to_thread(replica.until_ready)
        await asyncio.sleep(2 * POLL_S)
    ended.set()
    answers = await asking
    await balancer.close()
    failed = [answer for answer in answers if not answer.is_success]
    return Part(
        claim=f"{rounds} rolling restarts of {len(replicas)} replicas under load: no failed request, exit code 0",
        holds=not failed and not any(codes) and len(answers) > 0,
        figures={
            "requests": len(answers),
            "failed": len(failed),
            "why": dict(Counter(answer.error or "" for answer in failed)),
            "exit codes": codes,
            "latency, p50 and p95, s": [
                round(quantile([one.seconds for one in answers], share), 2) for share in (0.5, 0.95)
            ],
            "seconds": round(time.perf_counter() - begin, 1),
        },
    )


def _endless() -> Iterator[Body]:
    return itertools.cycle(bodies(500, 3))


class Balancer:
    """Hands every new connection to a ready replica, in turn."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = replicas
        self._ready = list(replicas)
        self._turns = itertools.count()
        self._pipes: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Listen on loopback, and return the address."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._polling = asyncio.create_task(self._poll())
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Listen no more."""
        self._polling.cancel()
        self._server.close()
        for pipe in self._pipes:
            pipe.cancel()

    async def _poll(self) -> None:
        async with httpx2.AsyncClient(timeout=5) as client:
            while True:
                self._ready = [replica for replica in self._replicas if await _is_ready(client, replica)]
                await asyncio.sleep(POLL_S)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            replica = self._ready[next(self._turns) % len(self._ready)]
            there, back = await asyncio.open_connection("127.0.0.1", replica.port)
        except (OSError, ZeroDivisionError):
            writer.close()
            return
        for source, sink in ((reader, back), (there, writer)):
            pipe = asyncio.create_task(_piped(source, sink))
            self._pipes.add(pipe)
            pipe.add_done_callback(self._pipes.discard)


async def _is_ready(client: httpx2.AsyncClient, replica: Replica) -> bool:
    try:
        answer = await client.get(f"{replica.url}/readyz")
    except httpx2.TransportError:
        return False
    return answer.status_code == 200


async def _piped(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while part := await source.read(65536):
            sink.write(part)
            await sink.drain()
    with suppress(OSError):
        sink.close()
