"""How far the engine's latents are from the diffusers pipeline's: every scheduler, alone and in mixed company.

The demo model in fp32, 50 steps, with vectors; in company all schedulers run at once, beside images of other steps,
guidance scales and vectors. The largest absolute difference of the finished latents.

    python -m benchmarks.exactness --json benchmarks/results/exactness.json
    python -m benchmarks.exactness --quick
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import described
from benchmarks.plain_pipeline import by_the_plain_pipeline
from diffusion import SCHEDULERS, Engine, Order, Row, Sampling
from diffusion.runner import Runner
from trimtab import DEMO_MODEL, load_model, shipped_library

STEERINGS = ({"woman": 1.0, "black": 1.0}, {"anti-violence": 1.0}, {"man": 0.5})


def main(
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
    steps: Annotated[int, typer.Option(help="Steps of each image.")] = 50,
    quick: Annotated[bool, typer.Option("--quick", help="8 steps: does it work?")] = False,
) -> None:
    """Compare latents; see the head of this file."""
    if quick:
        steps = 8
    engine = Engine(load_model(DEMO_MODEL, dtype="float32", device="cpu"), shipped_library())
    samplings = [Sampling(steps, 5.0, scheduler=name) for name in SCHEDULERS]
    samplings.append(Sampling(steps, 5.0, eta=1.0))
    orders = [
        _order(engine, number, sampling, STEERINGS[number % len(STEERINGS)])
        for number, sampling in enumerate(samplings)
    ]
    others = [
        _order(engine, 100, Sampling(13, 1.0, scheduler="euler"), {}),
        _order(engine, 101, Sampling(29, 7.5, scheduler="dpm++-2m"), {"asian": 1.0}),
    ]
    in_company = _latents(engine, [*orders, *others])
    table = Table("scheduler", "alone", "in mixed company", "largest latent")
    differences = {}
    for order, together in zip(orders, in_company, strict=False):
        expected = by_the_plain_pipeline(engine, order.row, order.sampling, "latent")
        (alone,) = _latents(engine, [order])
        name = order.sampling.scheduler + (", eta 1" if order.sampling.eta else "")
        differences[name] = {
            "alone": float((alone - expected).abs().max()),
            "in mixed company": float((together - expected).abs().max()),
            "largest latent": float(expected.abs().max()),
        }
        table.add_row(name, *(f"{value:.2g}" for value in differences[name].values()))
    Console().print(table)
    result = described("cpu") | {"steps": steps, "largest absolute difference of latents": differences}
    if json_path is not None:
        json_path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _order(engine: Engine, seed: int, sampling: Sampling, steering: dict[str, float]) -> Order:
    (order,) = engine.prepare([Row("a photo of a doctor in a park", seed, steering=steering)], sampling)
    return order


def _latents(engine: Engine, orders: Sequence[Order]) -> list[torch.Tensor]:
    """Return the finished latents of orders that begin together."""
    runner = Runner(engine.model)
    rows = runner.begin(orders)
    left, finished = list(rows), {}
    while left:
        runner.step(left)
        finished |= {row: runner.finish(row) for row in left if row.is_finished}
        left = [row for row in left if row not in finished]
    return [finished[row] for row in rows]


if __name__ == "__main__":
    typer.run(main)
