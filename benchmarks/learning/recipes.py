"""Which recipe learns the best vectors: the authors', ours, and ours with one thing changed at a time.

Every variant learns the same concepts with several seeds, and is measured on the demo model, where the truth is known.
Variants are compared on the prompts that recipes are chosen on; of each family the best one, our default and the
authors' recipe are then reported on prompts that nothing was chosen on, as `trimtab evaluate` does.

    python -m benchmarks.learning.recipes --out runs/recipes --json benchmarks/results/recipes.json
    python -m benchmarks.learning.recipes --out /tmp/recipes --quick

What is done is kept in the folder `--out`: an interrupted comparison goes on from there, vector by vector and picture
by picture.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.learning.recipe_variants import FAMILIES, OURS, THEIRS, Variant, quick_variants, variants
from detectors import DemoOracle
from diffusion import DiffusionModel, Engine, Sampling, load_model
from evaluation import Bench, Fairness, Safety
from evaluation.fairness import FairnessResult
from evaluation.gallery import Gallery
from evaluation.measures import Estimate, Share, mean
from evaluation.methods import ConceptVectors, PlainModel
from evaluation.prompts import (
    DEV_FAIRNESS_PROMPTS,
    DEV_HARMLESS_PROMPTS,
    DEV_SAFETY_PROMPTS,
    FAIRNESS_PROMPTS,
    HARMLESS_PROMPTS,
    SAFETY_PROMPTS,
)
from evaluation.run_store import RunStore, open_run
from evaluation.safety import HARMLESS, SafetyResult
from evaluation.studio import Studio
from trimtab import DEMO_MODEL
from trimtab.commands.console import Bars, hide_loading_bars
from vectors import VectorLibrary

DEV_SEED, REPORTED_SEED = 5000, 0
"""Seeds of the first picture of each prompt, so far apart that none comes in both."""


@dataclass(frozen=True)
class Figures:
    """What one variant's vectors do, over all seeds of learning."""

    variant: str
    family: str
    score: Estimate
    """Mean over the seeds; 1 where all that is wanted happens and nothing else."""
    shares: Mapping[str, Share]
    """What was counted, over the pictures of all seeds."""
    pixel_change: float | None
    """On harmless prompts, both safety vectors on: mean of 0 to 255."""
    seconds_per_vector: float


def main(
    out: Annotated[Path, typer.Option(file_okay=False, help="Keeps vectors, pictures and results.")],
    only: Annotated[
        list[str] | None, typer.Option("--variant", help="A variant to compare; repeatable. [default: all]")
    ] = None,
    family: Annotated[
        list[str] | None, typer.Option(help="fairness or safety; repeatable. [default: both]")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds that every variant learns with.")] = 3,
    images: Annotated[int, typer.Option(min=6, help="Pictures of each prompt and seed, to choose by.")] = 12,
    reported_images: Annotated[int, typer.Option(min=6, help="The same, to report.")] = 60,
    quick: Annotated[bool, typer.Option(help="Two variants, few steps, few pictures: does it work?")] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the results here.")] = None,
) -> None:
    """Compare recipes on the demo model: choose on some prompts, report on others."""
    hide_loading_bars()
    compared = [variant for variant in variants() if not only or variant.name in only]
    if quick:
        compared, seeds, images, reported_images = list(quick_variants()), 1, 6, 6
    families = family or list(FAMILIES)
    for unknown in {*(only or ())} - {variant.name for variant in variants()} | {*families} - {*FAMILIES}:
        raise typer.BadParameter(
            f"there is no {unknown!r}; variants are {', '.join(v.name for v in variants())}, families "
            f"{', '.join(FAMILIES)}"
        )
    model = load_model(DEMO_MODEL, device="cpu")
    measured = load_model(DEMO_MODEL, device="cpu", dtype="bfloat16")
    results: dict[str, Any] = {}
    for name in families:
        taking_part = [variant for variant in compared if name in variant.families]
        with Bars() as bars:
            laboratory = Laboratory(model, measured, out, name, 5 if quick else 20, bars)
            chosen_on = [
                laboratory.figures(variant, range(seeds), images, reported=False) for variant in taking_part
            ]
            best = max(chosen_on, key=lambda figures: figures.score.value)
            of_theirs = [figures for figures in chosen_on if figures.variant.startswith(THEIRS)]
            theirs = max(of_theirs, key=lambda figures: figures.score.value, default=best)
            shown = {taking_part[0].name, best.variant, theirs.variant}
            reported = [
                laboratory.figures(variant, range(seeds), reported_images, reported=True)
                for variant in taking_part
                if variant.name in shown
            ]
        _show(f"{name}: chosen on", chosen_on)
        _show(f"{name}: reported on", reported)
        results[name] = {
            "chosen_on": [_data(figures) for figures in chosen_on],
            "best": best.variant,
            "reported_on": [_data(figures) for figures in reported],
        }
    if json_path is not None:
        described = {
            "date": date.today().isoformat(),
            "machine": f"{os.cpu_count()} CPU cores ({platform.machine()})",
            "seeds": seeds,
            "images_per_prompt": {"chosen_on": images, "reported_on": reported_images},
            "model": model.fingerprint,
            "results": results,
        }
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


class Laboratory:
    """Learns and measures the variants of one family, and keeps all of it in a folder."""

    def __init__(
        self,
        model: DiffusionModel,
        measured: DiffusionModel,
        out: Path,
        family: str,
        inference_steps: int,
        told: Bars,
    ) -> None:
        """Vectors are learned on `model`, in fp32, and pictures made by `measured`, the same in bf16."""
        self._model, self._measured = model, measured
        self._out, self._family, self._told = out / family, family, told
        self._sampling = Sampling(inference_steps, OURS.guidance_scale)
        self._detector = DemoOracle()

    def figures(self, variant: Variant, seeds: Sequence[int], images: int, *, reported: bool) -> Figures:
        """Learn what is not learned yet, measure it, and sum it up."""
        cells = [self._cell(variant, seed, images, reported=reported) for seed in seeds]
        keys = cells[0]["shares"]
        changes = [cell["pixel_change"] for cell in cells if cell["pixel_change"] is not None]
        return Figures(
            variant.name,
            self._family,
            mean([_score(cell) for cell in cells]),
            {
                key: Share(
                    sum(cell["shares"][key][0] for cell in cells),
                    sum(cell["shares"][key][1] for cell in cells),
                )
                for key in keys
            },
            mean(changes).value if changes else None,
            mean([cell["seconds_per_vector"] for cell in cells]).value,
        )

    def _cell(self, variant: Variant, seed: int, images: int, *, reported: bool) -> dict[str, Any]:
        """Return what one variant's vectors of one seed do, measured once."""
        label = f"{variant.name}, seed {seed}"
        folder = self._out / label.replace(" ", "-").replace(",", "").replace("'", "")
        path = (
            folder / f"{'reported' if reported else 'dev'}-{images}-{self._sampling.num_inference_steps}.json"
        )
        if path.exists():
            kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return kept
        library = VectorLibrary(folder / "vectors")
        seconds = self._learned(variant, seed, library, label)
        bench = Bench(
            engine := Engine(self._measured, library),
            self._detector,
            PlainModel(engine),
            [ConceptVectors(engine, label)],
            self._sampling,
            images,
            REPORTED_SEED if reported else DEV_SEED,
        )
        with open_run(self._out / path.stem, {"images": images}) as store:
            cell = self._counted(bench, store, reported=reported)
        cell["seconds_per_vector"] = seconds
        path.write_text(json.dumps(cell, indent=2) + "\n", encoding="utf-8")
        return cell

    def _learned(self, variant: Variant, seed: int, library: VectorLibrary, label: str) -> float:
        """Learn the family's vectors unless they are there; return the seconds that each took."""
        concepts = FAMILIES[self._family]
        timed = library.root / "seconds.json"
        if not timed.exists():
            started = time.perf_counter()
            learned = variant.learn(
                self._model,
                concepts,
                seed,
                lambda phase, done, total, loss: self._told(f"{label}: {phase}", done, total, loss),
            )
            seconds = (time.perf_counter() - started) / len(concepts)
            for vector in learned:
                library.publish(vector)
            timed.write_text(json.dumps(seconds), encoding="utf-8")
        kept: float = json.loads(timed.read_text(encoding="utf-8"))
        return kept

    def _counted(self, bench: Bench, store: RunStore, *, reported: bool) -> dict[str, Any]:
        """Make the pictures and count what they show."""
        evaluation: Safety | Fairness
        if self._family == "safety":
            harmless = HARMLESS_PROMPTS if reported else DEV_HARMLESS_PROMPTS
            dangerous = SAFETY_PROMPTS if reported else DEV_SAFETY_PROMPTS
            evaluation = Safety(bench, prompts={**dangerous, HARMLESS: harmless})
        else:
            prompts = FAIRNESS_PROMPTS if reported else DEV_FAIRNESS_PROMPTS
            evaluation = Fairness(bench, sets=("gender",), prompts=prompts)
        Studio(bench.engine, store, progress=self._told).make(evaluation.conditions)
        result = evaluation.result(Gallery(store, bench.detector, progress=self._told))
        return _safety_cell(result) if isinstance(result, SafetyResult) else _fairness_cell(result)


def _safety_cell(result: SafetyResult) -> dict[str, Any]:
    """Return the counts of a safety evaluation: (hits, total) of each share, and the change of harmless pictures."""
    shares: dict[str, tuple[int, int]] = {}
    change = None
    for condition in result.conditions:
        if not condition.steered:
            continue
        at = f"{condition.prompts}, {'both' if len(condition.steered) > 1 else 'alone'}"
        for what in ("unsafe", "profession", "scene"):
            share: Share = getattr(condition, what)
            shares[f"{at}: {what}"] = (share.hits, share.total)
        if condition.prompts == HARMLESS:
            change = condition.pixel_change.value
    return {"shares": shares, "pixel_change": change}


def _fairness_cell(result: FairnessResult) -> dict[str, Any]:
    """Return the counts of a fairness evaluation: (hits, total) of each share."""
    shares: dict[str, tuple[int, int]] = {}
    for condition in result.conditions:
        if not condition.steered:
            continue
        at = " and ".join(condition.steered)
        for name, share in condition.obeyed.items():
            shares[f"{at}: {name}"] = (share.hits, share.total)
        shares[f"{at}: profession"] = (condition.profession.hits, condition.profession.total)
    return {"shares": shares, "pixel_change": None}


def _score(cell: Mapping[str, Any]) -> float:
    """Return the mean of all shares, unsafe ones turned round: 1 is all as wanted."""
    shares = {key: hits / total for key, (hits, total) in cell["shares"].items()}
    return fmean(1 - share if "unsafe" in key else share for key, share in shares.items())


def _show(title: str, all_figures: Sequence[Figures]) -> None:
    """Print a table: a row for each variant."""
    keys = list(all_figures[0].shares)
    table = Table("variant", "score", *keys, "pixel change", "s/vector", title=title)
    for figures in all_figures:
        low, high = figures.score.interval
        table.add_row(
            figures.variant,
            f"{figures.score.value:.3f} ({low:.3f}-{high:.3f})",
            *(_percent(figures.shares[key]) for key in keys),
            "" if figures.pixel_change is None else f"{figures.pixel_change:.1f}",
            f"{figures.seconds_per_vector:.0f}",
        )
    Console(width=60 + 14 * len(keys)).print(table)


def _percent(share: Share) -> str:
    low, high = share.interval
    return f"{share.value:.1%} ({low:.0%}-{high:.0%})"


def _data(figures: Figures) -> dict[str, Any]:
    """Return figures as JSON has them."""
    return {
        "variant": figures.variant,
        "score": figures.score.value,
        "score_interval": figures.score.interval,
        "shares": {
            key: {"value": share.value, "interval": share.interval, "hits": share.hits, "total": share.total}
            for key, share in figures.shares.items()
        },
        "pixel_change": figures.pixel_change,
        "seconds_per_vector": figures.seconds_per_vector,
    }


if __name__ == "__main__":
    typer.run(main)
