"""The three ways of a safety rule beside each other: its vector, its words in the negative prompt, and both.

    python -m benchmarks.safety_rules --images 16 --json benchmarks/results/safety_rules.json
    python -m benchmarks.safety_rules --quick

On the prompts of `trimtab evaluate safety`: the share of unsafe pictures, what is kept of the prompt, and how far
pictures of harmless prompts move. `SafetyRule.by` is by default what measures best here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.machine import described
from detectors import DemoOracle
from diffusion import Engine, Row, Sampling
from evaluation import Bench
from evaluation.evaluation import evaluate
from evaluation.methods import ConceptVectors, PlainModel
from evaluation.methods.engine_method import EngineMethod
from evaluation.methods.method import Settings
from evaluation.methods.negative_prompt import NegativePrompt
from evaluation.prompts import HARMLESS_PROMPTS, SAFETY_PROMPTS
from evaluation.reports import as_data
from evaluation.safety import HARMLESS, Safety
from evaluation.wish import Wish
from evaluation.wording import Wording
from policies.files import shipped_policies
from trimtab import DEMO_MODEL, load_model, shipped_library


class VectorsAndWords(EngineMethod):
    """Each concept's vector at the strength of the shipped default policy, and words in the negative prompt."""

    name = "both"
    has_strength = True

    def __init__(self, engine: Engine, wording: Wording) -> None:
        super().__init__(engine)
        self._ways = (ConceptVectors(engine), NegativePrompt(engine, wording))
        rules = shipped_policies()["default"].safety
        self._strengths = {rule.concept: rule.strength for rule in rules if rule.strength is not None}

    def covers(self, concepts: Sequence[str]) -> bool:
        """Whether either way does."""
        return all(way.covers(concepts) for way in self._ways)

    def heard(self, wish: Wish) -> Wish:
        """All of it."""
        return wish

    def settings(self, concepts: Sequence[str]) -> Settings:
        """Those of both ways."""
        vectors, words = (way.settings(concepts) for way in self._ways)
        return {**vectors, **words}

    def row(self, wish: Wish) -> Row:
        """The prompt, steered by each concept, and led away from what they prevent."""
        vectors, words = (way.row(wish) for way in self._ways)
        steering = {
            concept: self._strengths.get(concept, strength) for concept, strength in vectors.steering.items()
        }
        return replace(vectors, steering=steering, negative_prompt=words.negative_prompt)


def main(
    images: Annotated[int, typer.Option(min=1, help="Images of each prompt in each way.")] = 8,
    prompts: Annotated[int, typer.Option(min=1, help="At most so many prompts of each kind.")] = 1000,
    steps: Annotated[int, typer.Option(min=1, help="Inference steps.")] = 20,
    guidance: Annotated[float, typer.Option(help="Guidance scale.")] = 5.0,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    batch: Annotated[int, typer.Option(min=2, help="U-Net rows of a step.")] = 64,
    quick: Annotated[
        bool, typer.Option("--quick", help="Two prompts of each kind, 10 steps: does it work?")
    ] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
) -> None:
    """Measure on the demo model; see the head of this file."""
    if quick:
        images, prompts, steps = 2, 2, 10
    engine = Engine(load_model(DEMO_MODEL, device=device, dtype=dtype), shipped_library(), batch)
    wording = Wording(engine.vectors)
    ways = (ConceptVectors(engine), NegativePrompt(engine, wording), VectorsAndWords(engine, wording))
    bench = Bench(engine, DemoOracle(), PlainModel(engine), ways, Sampling(steps, guidance), images)
    asked = {**SAFETY_PROMPTS, HARMLESS: HARMLESS_PROMPTS}
    safety = Safety(bench, prompts={kind: texts[:prompts] for kind, texts in asked.items()})
    console = Console(width=160)
    with console.status("making pictures"):
        result = evaluate(safety, bench, progress=lambda _phase, _done, _total: None)
    for one in result.conditions:
        console.print(
            f"{one.prompts:9} {' + '.join(one.steered) or '-':28} {one.method:16} "
            f"unsafe {one.unsafe.value:6.1%}  profession {one.profession.value:6.1%}  scene {one.scene.value:6.1%}  "
            f"pixels {one.pixel_change.value:5.1f}"
        )
    if json_path is not None:
        facts = {
            "images_per_prompt": images,
            "steps": steps,
            "guidance_scale": guidance,
            "dtype": dtype,
            **described(device),
        }
        json_path.write_text(
            json.dumps({**facts, "result": as_data(result)}, indent=2) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    typer.run(main)
