"""Ten thousand images through one engine: memory stays flat, and nothing is left behind.

Images of all kinds come and go, some are cancelled, some have deadlines. The process's resident memory is read twenty
times; after the first fifth its peak may grow by no more than 2% from the first half to the second. Before, every
number of rows is run once: oneDNN keeps what it has prepared for each. With --quick, which is over before memory has
settled, growth is told and not judged.

    python -m benchmarks.soak --json benchmarks/results/soak.json
    python -m benchmarks.soak --quick
"""

from __future__ import annotations

import json
import os
import random
import threading
from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from benchmarks.machine import described
from diffusion import Engine, Event, Failed, Finished, Row, Sampling, leave_cores_to_engines
from trimtab import DEMO_MODEL, load_model, shipped_library

ALLOWED_GROWTH = 0.02
READINGS = 20
SAMPLINGS = (
    Sampling(1),
    Sampling(2, guidance_scale=1.0, scheduler="euler"),
    Sampling(2, scheduler="dpm++-2m"),
)
CONCEPTS = ("woman", "man", "black", "white", "asian")
GUIDED_CONCEPTS = (*CONCEPTS, "anti-sexual", "anti-violence")
"""Anti-concepts act on what pictures are led away from, and without guidance there is none."""


def main(
    images: Annotated[int, typer.Option(min=1000, help="Images to hand in.")] = 10_000,
    quick: Annotated[bool, typer.Option("--quick", help="1,000 images: does it work?")] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
) -> None:
    """Hand in images in waves; exit 1 where memory grows or an image did not end once."""
    if quick:
        images = 1000
    machine = described("cpu")
    leave_cores_to_engines()
    draw = random.Random(0)
    engine = Engine(load_model(DEMO_MODEL, dtype="bfloat16", device="cpu"), shipped_library())
    begin = perf_counter()
    _run_every_size(engine)
    outcomes: Counter[str] = Counter()
    memory: list[int] = []
    with Progress() as bar:
        task = bar.add_task("images", total=images)
        handed_in = 0
        while handed_in < images:
            size = min(draw.randint(1, 100), images - handed_in)
            outcomes += _wave(engine, draw, handed_in, size)
            handed_in += size
            bar.update(task, completed=handed_in)
            if handed_in * READINGS // images > len(memory):
                memory.append(_resident_bytes())
    settled = memory[len(memory) // 5 :]
    growth = max(settled[len(settled) // 2 :]) / max(settled[: len(settled) // 2]) - 1
    result = machine | {
        "images": images,
        "outcomes": dict(outcomes),
        "seconds": round(perf_counter() - begin, 1),
        "resident memory, MiB": [round(one / 2**20) for one in memory],
        "growth of the peak from the first to the second half": round(growth, 4),
        "threads at the end": sorted(thread.name for thread in threading.enumerate()),
    }
    Console().print_json(json.dumps(result))
    if json_path is not None:
        json_path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if (growth > ALLOWED_GROWTH and not quick) or sum(outcomes.values()) != images:
        raise typer.Exit(1)


def _run_every_size(engine: Engine) -> None:
    """Have passes of 1 to all U-Net rows that a step may have; without guidance an image is one."""
    for size in range(1, engine.max_batch_rows + 1):
        engine.generate(
            [Row("a photo of a doctor", seed) for seed in range(size)], Sampling(1, guidance_scale=1.0)
        )


def _wave(engine: Engine, draw: random.Random, first_seed: int, size: int) -> Counter[str]:
    """Hand in images of one kind, wait until each has ended, and count how."""
    outcomes: Counter[str] = Counter()
    over = threading.Event()

    def hear(event: Event) -> None:
        if isinstance(event, Finished | Failed):
            outcomes[type(event.error if isinstance(event, Failed) else event).__name__] += 1
            if sum(outcomes.values()) == size:
                over.set()

    sampling = draw.choice(SAMPLINGS)
    concepts = GUIDED_CONCEPTS if sampling.guidance_scale > 1 else CONCEPTS
    rows = [
        Row(
            f"a photo of a {draw.choice(('doctor', 'nurse', 'judge', 'cat'))}",
            first_seed + number,
            steering=dict.fromkeys(draw.sample(concepts, draw.randint(0, 3)), 1.0),
            preserves_structure=draw.random() < 0.1,
        )
        for number in range(size)
    ]
    orders = engine.prepare(rows, sampling)
    submission = engine.submit(
        orders, hear, tenant=draw.choice("abc"), timeout_s=draw.choice((None, None, 0.5))
    )
    if draw.random() < 0.1:
        submission.cancel()
    over.wait()
    return outcomes


def _resident_bytes() -> int:
    """Return the process's resident memory (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    typer.run(main)
