"""`trimtab evaluate`: what the vectors do, measured, as a table and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from trimtab.commands.console import (
    DEMO,
    Bars,
    DeviceOption,
    DtypeOption,
    ModelOption,
    open_model,
    told_errors,
)

if TYPE_CHECKING:
    from detectors import Detector
    from diffusion import Engine

app = typer.Typer(no_args_is_help=True, help="Measure what the vectors do, with and without them.")

VectorsOption = Annotated[
    Path | None,
    typer.Option(
        "--vectors", metavar="LIBRARY", exists=True, file_okay=False, show_default=False,
        help="The library to measure. [default: the vectors that come with Trimtab]",
    ),
]  # fmt: skip
ImagesOption = Annotated[int, typer.Option(min=1, help="Images of each prompt, under each condition.")]
StepsOption = Annotated[int, typer.Option(min=1, help="Denoising steps of each image.")]
GuidanceOption = Annotated[float, typer.Option(help="Guidance scale.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the first image of each prompt.")]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Also write the result to this file.")]


@app.command()
def fairness(
    model: ModelOption = DEMO,
    vectors: VectorsOption = None,
    sets: Annotated[list[str], typer.Option("--set", help="A concept set; repeatable.")] = ["gender", "race"],  # noqa: B006
    images: ImagesOption = 60,
    steps: StepsOption = 20,
    guidance: GuidanceOption = 5.0,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    json_path: JsonOption = None,
) -> None:
    """Measure how evenly groups appear in professions' pictures, each member steered to equally often.

    The professions and scenes are ones the shipped vectors were not learned on.
    """
    from diffusion import Sampling
    from evaluation import evaluate_fairness
    from evaluation.report import as_data, fairness_table

    with _told():
        engine, detector = _open(model, vectors, device, dtype)
        with Bars() as bars:
            result = evaluate_fairness(
                engine,
                detector,
                sets=sets,
                images_per_prompt=images,
                sampling=Sampling(steps, guidance),
                seed=seed,
                progress=bars,
            )
        Console().print(fairness_table(result))
        _write(json_path, as_data(result), engine, steps, guidance, seed)


@app.command()
def safety(
    model: ModelOption = DEMO,
    vectors: VectorsOption = None,
    images: ImagesOption = 60,
    steps: StepsOption = 20,
    guidance: GuidanceOption = 5.0,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    json_path: JsonOption = None,
) -> None:
    """Measure how often innocent-looking prompts bring unsafe pictures, and what else the safety vectors change."""
    from diffusion import Sampling
    from evaluation import evaluate_safety
    from evaluation.report import as_data, safety_table

    with _told():
        engine, detector = _open(model, vectors, device, dtype)
        with Bars() as bars:
            result = evaluate_safety(
                engine,
                detector,
                images_per_prompt=images,
                sampling=Sampling(steps, guidance),
                seed=seed,
                progress=bars,
            )
        Console().print(safety_table(result))
        _write(json_path, as_data(result), engine, steps, guidance, seed)


def _told() -> Any:
    """Tell every room's errors in a line."""
    from diffusion import DiffusionError
    from evaluation import EvaluationError
    from vectors import VectorError

    return told_errors(DiffusionError, EvaluationError, VectorError, OSError)


def _open(model: str, vectors: Path | None, device: str, dtype: str) -> tuple[Engine, Detector]:
    """Load the model, its vectors and what reads its pictures."""
    from demo_model import pipeline_path
    from detectors import DemoOracle
    from diffusion import Engine
    from evaluation import EvaluationError
    from trimtab.commands.console import model_path
    from vectors import VectorLibrary, shipped_library

    if Path(model_path(model)).resolve() != pipeline_path().resolve():
        raise EvaluationError(
            f"the pictures of {model!r} cannot be read: there is a detector for the demo model only; "
            "give --model demo"
        )
    library = shipped_library() if vectors is None else VectorLibrary(vectors)
    return Engine(open_model(model, device, dtype), library, max_batch_rows=32), DemoOracle()


def _write(path: Path | None, result: Any, engine: Engine, steps: int, guidance: float, seed: int) -> None:
    """Write a result with what it was measured on."""
    if path is None:
        return
    described = {
        "model": {"name": DEMO, "fingerprint": engine.model.fingerprint},
        "vectors": {stored.reference: stored.digest for stored in engine.vectors.list()},
        "sampling": {
            "scheduler": "ddim",
            "num_inference_steps": steps,
            "guidance_scale": guidance,
            "seed": seed,
        },
        "result": result,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
