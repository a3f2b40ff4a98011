"""The way of every `trimtab evaluate` command: open what is needed, make the pictures, tell what they show.

Entry points: `run_evaluation`; `tell` and `told_evaluation_errors` for what is measured in another way.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console

from trimtab.commands.console import Bars, open_model, told_errors
from trimtab.commands.detector_choice import open_detector
from trimtab.commands.evaluation_options import EvaluationOptions
from trimtab.commands.library import opened_library

if TYPE_CHECKING:
    from diffusion.processes import Processes
    from evaluation import Bench, Evaluation
    from evaluation.gallery import Gallery
    from evaluation.page import Section
    from vectors import VectorLibrary

_WIDTH = 160
"""Columns of the tables where no terminal says how many fit."""

Planned = TypeVar("Planned", bound="Evaluation[Any]")


def run_evaluation(
    options: EvaluationOptions,
    images_per_prompt: int,
    asked: Mapping[str, Any],
    plan: Callable[[Bench], Planned],
    sections: Callable[[Planned, Any, Gallery], list[Section]],
) -> None:
    """Plan an evaluation, make its pictures, and tell what they show on the terminal and in files.

    `asked` are the command's own settings besides, JSON-able, which results and run directories name.
    """
    from diffusion.processes import launched_processes
    from evaluation.evaluation import method_settings
    from evaluation.gallery import Gallery
    from evaluation.run_store import open_run
    from evaluation.studio import Studio

    with told_evaluation_errors(), launched_processes() as processes:
        bench = _open(options, images_per_prompt, processes)
        evaluation = plan(bench)
        _check_methods(options, bench, evaluation)
        facts: dict[str, Any] = {
            "evaluation": evaluation.name,
            "model": {"name": Path(options.model).name, "fingerprint": bench.engine.model.fingerprint},
            "sampling": {
                "scheduler": bench.sampling.scheduler,
                "num_inference_steps": options.steps,
                "guidance_scale": options.guidance,
                "seed": options.seed,
            },
            **asked,
            "images_per_prompt": images_per_prompt,
            "methods": method_settings(evaluation),
        }
        with _bars(processes) as progress, open_run(options.out, facts, processes) as store:
            Studio(bench.engine, store, progress=progress, processes=processes).make(evaluation.conditions)
            if not processes.is_main:
                return
            gallery = Gallery(store, bench.detector, progress=progress)
            result = evaluation.result(gallery)
            told = sections(evaluation, result, gallery)
        facts |= {
            "detector": bench.detector.name,
            "vectors": {stored.reference: stored.digest for stored in bench.library.list()},
        }
        tell(options, str(bench.engine.model.device), facts, result, told)


def tell(
    options: EvaluationOptions, device: str, facts: Mapping[str, Any], result: object, told: Sequence[Section]
) -> None:
    """Tell what was found on the terminal, and in the files that the options name; `facts` say how it was measured."""
    from evaluation.reports import as_data

    machine = _machine(device)
    _print(told)
    _write_json(
        options.json,
        {
            "date": str(date.today()),
            "machine": machine,
            **facts,
            "command": options.command,
            "result": as_data(result),
        },
    )
    _write_page(options, machine, facts, told)


def told_evaluation_errors(*more: type[Exception]) -> AbstractContextManager[None]:
    """Tell every room's errors, and these, in a line."""
    from detectors import DetectorError
    from diffusion import DiffusionError
    from evaluation import EvaluationError
    from vectors import VectorError

    return told_errors(DetectorError, DiffusionError, EvaluationError, VectorError, OSError, *more)


def _open(options: EvaluationOptions, images_per_prompt: int, processes: Processes) -> Bench:
    """Load the model, its vectors, what they are compared with and what reads the pictures."""
    from diffusion import Engine, Sampling
    from evaluation import Bench
    from evaluation.methods import DEFAULT, PlainModel, make_methods

    device = str(processes.device) if options.device == "auto" and processes.device else options.device
    detector = open_detector(
        options.detector or ["oracle"],
        model=options.model,
        device=device,
        clip=options.clip,
        probe=options.probe,
        nudenet=options.nudenet,
    )
    compared = _compared(options.compare or [])
    engine = Engine(
        open_model(options.model, device, options.dtype), opened_library(options.vectors), options.batch
    )
    return Bench(
        engine,
        detector,
        PlainModel(engine),
        make_methods(engine, options.method or DEFAULT, compared),
        Sampling(options.steps, options.guidance),
        images_per_prompt,
        options.seed,
    )


def _compared(given: Sequence[str]) -> dict[str, VectorLibrary]:
    """Return the libraries of --compare NAME=LIBRARY."""
    from evaluation import EvaluationError
    from vectors import VectorLibrary

    compared = {}
    for one in given:
        name, _, folder = one.partition("=")
        if not name or not Path(folder).is_dir() or not folder:
            raise EvaluationError(
                f"{one!r} is no library to compare with: write NAME=LIBRARY, such as paper=libraries/paper"
            )
        compared[name] = VectorLibrary(folder)
    return compared


def _check_methods(options: EvaluationOptions, bench: Bench, evaluation: Evaluation[Any]) -> None:
    """Refuse a method that was asked for by name, or a library, and has nothing to do here."""
    from evaluation import EvaluationError
    from evaluation.methods import ALL, ConceptVectors

    used = {condition.method.name for condition in evaluation.conditions}
    by_name = bool(options.method) and ALL not in (options.method or [])
    idle = [
        method.name
        for method in bench.methods
        if method.name not in used and (by_name or isinstance(method, ConceptVectors))
    ]
    if idle:
        raise EvaluationError(
            f"{' and '.join(idle)} can bring about nothing of what is asked for in {evaluation.name}: leave it out"
        )


def _bars(processes: Processes) -> AbstractContextManager[Callable[[str, int, int], None]]:
    """Progress bars, of the main process alone."""
    return Bars() if processes.is_main else nullcontext(lambda _title, _done, _total: None)


def _print(told: Sequence[Section]) -> None:
    from evaluation.reports import terminal_table

    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    for section in told:
        if (table := terminal_table(section)) is not None:
            console.print(table)


def _write_json(path: Path | None, data: Mapping[str, Any]) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _machine(device: str) -> str:
    import torch

    return f"{device}, {os.cpu_count()} CPU cores, {platform.machine()}, torch {torch.__version__}"


def _write_page(
    options: EvaluationOptions, machine: str, facts: Mapping[str, Any], told: Sequence[Section]
) -> None:
    if options.report is None:
        return
    from evaluation.page import write_page

    sampling = facts["sampling"]
    write_page(
        options.report,
        title=f"{str(facts['evaluation']).capitalize()} of {facts['model']['name']}",
        command=options.command,
        facts={
            "model": f"{facts['model']['name']} ({facts['model']['fingerprint']})",
            "vectors": ", ".join(f"{name} ({digest[:15]}...)" for name, digest in facts["vectors"].items()),
            "methods": ", ".join(facts["methods"]),
            "detector": facts["detector"],
            "sampling": f"{sampling['scheduler']}, {sampling['num_inference_steps']} steps, guidance "
            f"{sampling['guidance_scale']:g}, first seed {sampling['seed']}",
            "machine": machine,
        },
        sections=told,
    )
