"""Which recipe learns the best vectors: the authors', ours, and one with one thing changed at a time.

Every variant learns the same concepts with several seeds, and is measured on the demo model, where the truth is known.
Variants are compared on the prompts that recipes are chosen on; of each family the best one, our default and the
authors' recipe are then reported on prompts that nothing was chosen on, as `trimtab evaluate` does.

    python -m benchmarks.learning.recipes --out runs/recipes --json benchmarks/results/recipes.json
    python -m benchmarks.learning.recipes --out runs/quick --quick

What is done is kept, vectors and pictures in the folder `--out` and counts in the file `--json`: an interrupted
comparison goes on from there, and variants can be compared a few at a time, into one file. Pictures by vectors that
have been learned anew since are refused, not counted.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.learning.recipe_variants import (
    FAMILIES,
    OURS,
    THEIRS,
    VARIED,
    Variant,
    quick_variants,
    variants,
)
from detectors import DemoOracle
from diffusion import DiffusionModel, Engine, Sampling, leave_cores_to_engines, load_model, with_cores
from evaluation import Bench, Fairness, Safety
from evaluation.evaluation import method_settings
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
from evaluation.run_store import open_run
from evaluation.safety import HARMLESS, SafetyResult
from evaluation.studio import Studio
from trimtab import DEMO_MODEL
from trimtab.commands.console import Bars, hide_loading_bars
from vectors import VectorLibrary

CHOSEN, REPORTED = KINDS = ("chosen_on", "reported_on")
"""The prompts that recipes are chosen on, and those that are reported."""
FIRST_SEEDS = {CHOSEN: 5000, REPORTED: 0}
"""Seeds of the first picture of each prompt, so far apart that none comes in both."""


@dataclass(frozen=True)
class Figures:
    """What one variant's vectors do, over all seeds of learning."""

    variant: str
    family: str
    score: Estimate
    """Mean over the seeds; 1 where all that is wanted happens and nothing else, to the last pixel."""
    shares: Mapping[str, Share]
    """What was counted, over the pictures of all seeds."""
    pixel_change: float | None
    """On harmless prompts, both safety vectors on: mean of 0 to 255."""
    cpu_seconds_per_vector: float


def main(
    out: Annotated[Path, typer.Option(file_okay=False, help="Keeps vectors and pictures.")],
    only: Annotated[
        list[str] | None, typer.Option("--variant", help="A variant to compare; repeatable. [default: all]")
    ] = None,
    family: Annotated[
        list[str] | None, typer.Option(help="fairness or safety; repeatable. [default: both]")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds that every variant learns with.")] = 3,
    images: Annotated[int, typer.Option(min=6, help="Pictures of each prompt and seed, to choose by.")] = 12,
    reported_images: Annotated[int, typer.Option(min=6, help="The same, to report.")] = 24,
    report: Annotated[
        bool, typer.Option(help="Report the default, the best and the authors' on other prompts.")
    ] = True,
    quick: Annotated[bool, typer.Option(help="Two variants, few steps, few pictures: does it work?")] = False,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Keeps what was counted. [default: recipes.json in --out]")
    ] = None,
) -> None:
    """Compare recipes on the demo model: choose on some prompts, report on others."""
    hide_loading_bars()
    leave_cores_to_engines()
    known = quick_variants() if quick else variants()
    families = family or list(FAMILIES)
    for unknown in {*(only or ())} - {variant.name for variant in known} | {*families} - {*FAMILIES}:
        raise typer.BadParameter(
            f"there is no {unknown!r}; variants are {', '.join(v.name for v in known)}, families "
            f"{', '.join(FAMILIES)}"
        )
    if quick:
        seeds, images, reported_images = 1, 6, 6
    model = load_model(DEMO_MODEL, device="cpu")
    settings = {
        "seeds": seeds,
        "images_per_prompt": {CHOSEN: images, REPORTED: reported_images},
        "inference_steps": 5 if quick else 20,
        "model": model.fingerprint,
        "ours": asdict(OURS),
        "varied": asdict(VARIED),
    }
    ledger = Ledger(json_path or out / "recipes.json", settings)
    with Bars() as bars:
        for name in families:
            taking_part = [variant for variant in known if name in variant.families]
            laboratory = Laboratory(model, out, name, ledger, bars)
            for variant in taking_part:
                if not only or variant.name in only:
                    laboratory.measure(variant, CHOSEN)
            shown = _shown(ledger, name, taking_part)
            for variant in taking_part if report else ():
                if variant.name in shown:
                    laboratory.measure(variant, REPORTED)
    for name in families:
        for kind in (CHOSEN, REPORTED):
            _show(f"{name}: {kind.replace('_', ' ')}", ledger.figures(name, kind))


def _shown(ledger: Ledger, family: str, taking_part: Sequence[Variant]) -> set[str]:
    """Return the variants that are reported: the default, the best one, and the best of the authors' recipe."""
    chosen_on = sorted(ledger.figures(family, CHOSEN), key=lambda figures: figures.score.value)
    theirs = [figures for figures in chosen_on if figures.variant.startswith(THEIRS)]
    return {taking_part[0].name, *(figures.variant for figures in (*chosen_on[-1:], *theirs[-1:]))}


class Ledger:
    """What was counted, in a file: a cell for each family, variant, seed and kind of prompts.

    A file of other settings is not gone on with: it is refused, so that nothing is compared that cannot be.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self._path = path
        self._settings: dict[str, Any] = json.loads(json.dumps(settings))
        self._cells: dict[str, dict[str, Any]] = self._read()

    @property
    def settings(self) -> Mapping[str, Any]:
        """What every cell was measured with."""
        return self._settings

    def cell(self, family: str, variant: str, seed: int, kind: str) -> dict[str, Any] | None:
        """Return what was counted, None where nothing was yet."""
        return self._cells.get(f"{family}/{variant}/{seed}/{kind}")

    def add(self, family: str, variant: str, seed: int, kind: str, cell: dict[str, Any]) -> None:
        """Write a cell to the file, beside those that others have written meanwhile."""
        self._cells = self._read() | self._cells | {f"{family}/{variant}/{seed}/{kind}": cell}
        described = {
            "date": date.today().isoformat(),
            "machine": f"{os.cpu_count()} CPU cores ({platform.machine()})",
            "settings": self._settings,
            "results": {
                name: {kind: [_data(figures) for figures in self.figures(name, kind)] for kind in KINDS}
                for name in FAMILIES
            },
            "cells": dict(sorted(self._cells.items())),
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        written = self._path.with_suffix(".new")
        written.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
        written.replace(self._path)

    def figures(self, family: str, kind: str) -> list[Figures]:
        """Return the figures of each variant that was measured with every seed, in the order of the variants."""
        found = []
        for variant in {key.split("/")[1]: None for key in self._cells if key.startswith(f"{family}/")}:
            cells = [self.cell(family, variant, seed, kind) for seed in range(self._settings["seeds"])]
            whole = [cell for cell in cells if cell is not None]
            if len(whole) == len(cells):
                found.append(_figures(variant, family, whole))
        return found

    def _read(self) -> dict[str, dict[str, Any]]:
        """Return the cells of the file."""
        if not self._path.exists():
            return {}
        kept: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        if kept["settings"] != self._settings:
            raise typer.BadParameter(
                f"{self._path} was measured with other settings: give another file to --json, or remove it"
            )
        cells: dict[str, dict[str, Any]] = kept["cells"]
        return cells


def _figures(variant: str, family: str, cells: Sequence[Mapping[str, Any]]) -> Figures:
    """Sum up the cells of all seeds."""
    changes = [cell["pixel_change"] for cell in cells if cell["pixel_change"] is not None]
    return Figures(
        variant,
        family,
        mean([_score(cell) for cell in cells]),
        {
            key: Share(
                sum(cell["shares"][key][0] for cell in cells), sum(cell["shares"][key][1] for cell in cells)
            )
            for key in cells[0]["shares"]
        },
        mean(changes).value if changes else None,
        mean([cell["cpu_seconds_per_vector"] for cell in cells]).value,
    )


class Laboratory:
    """Learns and measures the variants of one family, and keeps all of it."""

    def __init__(self, model: DiffusionModel, out: Path, family: str, ledger: Ledger, told: Bars) -> None:
        self._model, self._ledger = model, ledger
        self._out, self._family, self._told = out / family, family, told
        self._sampling = Sampling(ledger.settings["inference_steps"], OURS.guidance_scale)
        self._detector = DemoOracle()

    def measure(self, variant: Variant, kind: str) -> None:
        """Learn and measure what is not in the ledger yet."""
        for seed in range(self._ledger.settings["seeds"]):
            if self._ledger.cell(self._family, variant.name, seed, kind) is None:
                cell = self._cell(variant, seed, kind)
                self._ledger.add(self._family, variant.name, seed, kind, cell)

    def _cell(self, variant: Variant, seed: int, kind: str) -> dict[str, Any]:
        """Return what one variant's vectors of one seed do."""
        label = f"{variant.name}, seed {seed}"
        folder = self._out / label.replace(" ", "-").replace(",", "").replace("'", "")
        library = VectorLibrary(folder / "vectors")
        seconds = self._learned(variant, seed, library, label)
        images = self._ledger.settings["images_per_prompt"][kind]
        bench = Bench(
            engine := Engine(self._model, library),
            self._detector,
            PlainModel(engine),
            [ConceptVectors(engine, label)],
            self._sampling,
            images,
            FIRST_SEEDS[kind],
        )
        return self._counted(bench, kind) | {"cpu_seconds_per_vector": seconds}

    def _learned(self, variant: Variant, seed: int, library: VectorLibrary, label: str) -> float:
        """Learn the family's vectors unless they are there; return the CPU seconds that each took."""
        concepts = FAMILIES[self._family]
        timed = library.root / "seconds.json"
        if not timed.exists():
            started = time.process_time()
            learned = with_cores(
                lambda tell: variant.learn(self._model, concepts, seed, tell),
                lambda phase, done, total, loss: self._told(f"{label}: {phase}", done, total, loss),
            )
            seconds = (time.process_time() - started) / len(concepts)
            for vector in learned:
                library.publish(vector)
            timed.write_text(json.dumps(seconds), encoding="utf-8")
        kept: float = json.loads(timed.read_text(encoding="utf-8"))
        return kept

    def _counted(self, bench: Bench, kind: str) -> dict[str, Any]:
        """Make the pictures and count what they show."""
        evaluation: Safety | Fairness
        reported = kind == REPORTED
        if self._family == "safety":
            harmless = HARMLESS_PROMPTS if reported else DEV_HARMLESS_PROMPTS
            dangerous = SAFETY_PROMPTS if reported else DEV_SAFETY_PROMPTS
            evaluation = Safety(bench, prompts={**dangerous, HARMLESS: harmless})
        else:
            prompts = FAIRNESS_PROMPTS if reported else DEV_FAIRNESS_PROMPTS
            evaluation = Fairness(bench, sets=("gender",), prompts=prompts)
        facts = {"images": bench.images_per_prompt, "methods": method_settings(evaluation)}
        with open_run(self._out / f"{kind}-{bench.images_per_prompt}", facts) as store:
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
    """Return the mean of all shares, unsafe ones turned round, and of how much of harmless pictures stays."""
    shares = {key: hits / total for key, (hits, total) in cell["shares"].items()}
    as_wanted = [1 - share if "unsafe" in key else share for key, share in shares.items()]
    stays = [] if cell["pixel_change"] is None else [1 - cell["pixel_change"] / 255]
    return fmean(as_wanted + stays)


def _show(title: str, all_figures: Sequence[Figures]) -> None:
    """Print a table: a row for each variant."""
    if not all_figures:
        return
    keys = list(all_figures[0].shares)
    table = Table("variant", "score", *keys, "pixel change", "CPU s/vector", title=title)
    for figures in all_figures:
        low, high = figures.score.interval
        table.add_row(
            figures.variant,
            f"{figures.score.value:.3f} ({low:.3f}-{high:.3f})",
            *(_percent(figures.shares[key]) for key in keys),
            "" if figures.pixel_change is None else f"{figures.pixel_change:.1f}",
            f"{figures.cpu_seconds_per_vector:.0f}",
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
        "cpu_seconds_per_vector": figures.cpu_seconds_per_vector,
    }


if __name__ == "__main__":
    typer.run(main)
