"""What becomes of accepted requests when replicas and Redis fail: counted, on real processes.

Three replicas of `trimtab serve` on the demo model share one Redis. Clients hand in jobs and wait for synchronous
answers; meanwhile replicas are killed in mid-image, and Redis is held, killed, emptied or succeeded by another. Every
request is to finish exactly once, with the images of an undisturbed run, or its client is told why not. Exits 1 where
one is lost, ends twice or has other images.

    python -m benchmarks.faults --json benchmarks/results/faults.json
    python -m benchmarks.faults --quick
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.faults.cases import FAIL_OVER, PLAIN, World
from benchmarks.faults.load import CLIENTS, Item, Load, items
from benchmarks.faults.processes import RedisProcess, Replica, Sentinels
from benchmarks.faults.tally import Tally, table, tallied
from benchmarks.machine import described

REPLICAS = 3

Fault = Callable[[World], None]


@dataclass(frozen=True)
class Scale:
    """How much is done."""

    items: int
    """Requests of a case, jobs and others in fours; of two images each."""
    steps: int
    hold_s: float
    kills: int
    claim_kept_s: float
    patience_s: float = 150


FULL = Scale(items=32, steps=30, hold_s=20, kills=3, claim_kept_s=10)
QUICK = Scale(items=12, steps=15, hold_s=5, kills=1, claim_kept_s=4)


def main(
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
    quick: Annotated[bool, typer.Option(help="Less of everything: two minutes on two cores.")] = False,
) -> None:
    """Do one fault after another; see the head of this file."""
    scale, console = QUICK if quick else FULL, Console()
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="trimtab-faults-") as folder:
        work = items(scale.items, scale.steps)
        tallies, undisturbed = _on_one_redis(Path(folder) / "one", work, scale, console)
        tallies += _on_sentinels(Path(folder) / "sentinels", work, scale, console, undisturbed)
    console.print(table(tallies))
    result = described("cpu") | {
        "replicas": REPLICAS,
        "clients": CLIENTS,
        "scale": asdict(scale),
        "cases": [asdict(one) for one in tallies],
        "seconds": round(time.perf_counter() - begin),
    }
    if json_path is not None:
        json_path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if not all(one.is_sound for one in tallies):
        raise typer.Exit(1)


def _on_one_redis(
    folder: Path, work: Sequence[Item], scale: Scale, console: Console
) -> tuple[list[Tally], dict[int, str]]:
    """Do the faults of a plain Redis; return what came of them, and the undisturbed images."""
    redis = RedisProcess(folder / "redis")
    replicas = _replicas(folder, redis.url, scale)
    world = World(replicas, redis, None, scale.hold_s, scale.kills)
    try:
        redis.start()
        _start(replicas, console)
        undisturbed = Load([replica.url for replica in replicas], work, scale.patience_s).undisturbed()
        return [
            _case(name, PLAIN[name], world, work, scale, undisturbed, console) for name in PLAIN
        ], undisturbed
    finally:
        for process in (*replicas, redis):
            process.kill()


def _on_sentinels(
    folder: Path, work: Sequence[Item], scale: Scale, console: Console, undisturbed: Mapping[int, str]
) -> list[Tally]:
    """Do the fault of a Redis that has a successor."""
    folder.mkdir()
    sentinels = Sentinels(folder)
    replicas = _replicas(folder, sentinels.url, scale)
    world = World(replicas, sentinels.first, sentinels, scale.hold_s, scale.kills)
    try:
        sentinels.start()
        _start(replicas, console)
        return [_case(name, FAIL_OVER[name], world, work, scale, undisturbed, console) for name in FAIL_OVER]
    finally:
        for replica in replicas:
            replica.kill()
        sentinels.kill()


def _case(
    name: str,
    fault: Fault,
    world: World,
    work: Sequence[Item],
    scale: Scale,
    undisturbed: Mapping[int, str],
    console: Console,
) -> Tally:
    """Let clients ask for everything, do the fault meanwhile, and count."""
    console.print(f"{name} ...")
    load = Load([replica.url for replica in world.replicas], work, scale.patience_s)
    begin = time.perf_counter()
    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(load.run)
        fault(world)
        outcomes = running.result()
    seconds = time.perf_counter() - begin
    for replica in world.replicas:
        replica.until_ready()
    ended = chain.from_iterable(replica.ended for replica in world.replicas)
    return tallied(name, outcomes, undisturbed, ended, seconds)


def _replicas(folder: Path, redis_url: str, scale: Scale) -> list[Replica]:
    settings = {
        "redis_url": redis_url,
        "claim_kept_s": str(scale.claim_kept_s),
        # The two images of a request fill a step, so that each pass has the same rows at every try: to the last bit,
        # an image depends on the size of its batch.
        "max_batch_rows": "4",
    }
    return [Replica(folder / f"replica{number}.log", settings) for number in range(REPLICAS)]


def _start(replicas: Sequence[Replica], console: Console) -> None:
    console.print(f"Starting {len(replicas)} replicas ...")
    for replica in replicas:
        replica.start()
    for replica in replicas:
        replica.until_ready()


if __name__ == "__main__":
    typer.run(main)
