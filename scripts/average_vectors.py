"""Publish the averages of safety vectors that were learned with several seeds, measured beside each other.

    .venv/bin/python scripts/average_vectors.py --library vectors/shipped RUN/anti-sexual.safetensors ...

What one seed's few random trajectories happened to say goes out of the average, and what all say stays. The average is
as long as its parts are on average, or as many times that as `--scale` says.
"""

from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer

from detectors import DemoOracle
from diffusion import leave_cores_to_engines
from learn_vectors import Concept
from learn_vectors.concepts_file import read_options
from learn_vectors.measure import measure_vector
from learn_vectors.run_directory import OPTIONS
from trimtab import DEMO_MODEL, load_model
from vectors import ConceptVector, VectorLibrary
from vectors.file_format import load_vector

AT_RECOMMENDED = ("success", "kept", "pixel_change")
"""What is said of the recommended strength, from the nearest that is measured: 1."""


def main(
    files: Annotated[
        list[Path],
        typer.Argument(help="Vectors in run directories of learn-vector; those of one concept are averaged."),
    ],
    library: Annotated[Path, typer.Option(help="Where the averages are published.")],
    scale: Annotated[
        list[str] | None, typer.Option(metavar="CONCEPT=FACTOR", help="What strength 1 of one is to be.")
    ] = None,
    apply_from: Annotated[
        list[str] | None, typer.Option(metavar="CONCEPT=TIMESTEP", help="Below it, one is not applied.")
    ] = None,
) -> None:
    """Average, measure beside each other and publish."""
    leave_cores_to_engines()
    scales, starts = _by_concept(scale), _by_concept(apply_from)
    by_concept: dict[str, list[Path]] = {}
    for file in files:
        by_concept.setdefault(file.stem, []).append(file)
    concepts = [_concept(parts[0]) for parts in by_concept.values()]
    averages = [
        _average(parts, scales.get(name, 1.0), int(starts.get(name, 0))) for name, parts in by_concept.items()
    ]
    model = load_model(DEMO_MODEL, device="cpu")
    for concept, vector in zip(concepts, averages, strict=True):
        beside = [other for other in averages if other is not vector]
        measured = measure_vector(model, vector, concept, DemoOracle(), beside=beside)
        effect = dict(measured.effect) | {key: measured.effect[f"{key}@1"] for key in AT_RECOMMENDED}
        VectorLibrary(library).publish(replace(measured, recommended_strength=1.0, effect=effect))
        typer.echo(f"{concept.name}: {effect}")


def _by_concept(given: list[str] | None) -> dict[str, float]:
    """Return the numbers of "concept=number"."""
    return {concept: float(number) for concept, number in (one.split("=") for one in given or ())}


def _concept(file: Path) -> Concept:
    """Return what the run of a vector's file learned it from."""
    options, _ = read_options(file.parent / OPTIONS)
    return next(concept for concept in options.concepts if concept.name == file.stem)


def _average(files: list[Path], scale: float, apply_from: int) -> ConceptVector:
    learned = [load_vector(file) for file in files]
    seeds = [vector.training["seed"] for vector in learned]
    total = reduce(add, learned)
    average = total * (scale * fmean(vector.norm for vector in learned) / total.norm)
    return replace(
        average,
        prompts=learned[0].prompts,
        timesteps=(apply_from, learned[0].timesteps[1]),
        training={**learned[0].training, "seed": seeds},
    )


if __name__ == "__main__":
    typer.run(main)
