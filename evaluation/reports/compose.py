"""The report of a composition evaluation.

Entry point: `compose_sections`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evaluation.compose import Compose, ComposedCondition, ComposeResult
from evaluation.gallery import Gallery
from evaluation.interpolation import Interpolation
from evaluation.page import Grid, LineChart, Section, Table
from evaluation.reports.figures import (
    bar_chart,
    picture_grid,
    told,
    told_interval,
    told_steering,
)


def compose_sections(evaluation: Compose, result: ComposeResult, gallery: Gallery) -> list[Section]:
    """Return a section for each set of concepts asked for at once, and one for strengths."""
    together = dict.fromkeys((one.prompts, one.steered) for one in result.conditions)
    return [
        *(_composed(prompts, steered, evaluation, result, gallery) for prompts, steered in together),
        *(_interpolated(evaluation, result, gallery) if result.interpolations else []),
    ]


def _composed(
    prompts: str, steered: tuple[str, ...], evaluation: Compose, result: ComposeResult, gallery: Gallery
) -> Section:
    counted = [one for one in result.conditions if (one.prompts, one.steered) == (prompts, steered)]
    made = [one for one in evaluation.composed if (one.prompts, one.steered) == (prompts, steered)]
    return Section(
        f"{told_steering(steered)} at once, {prompts} prompts",
        "The share of pictures that show what was asked for of each, and of all. The plain model was not asked. "
        f"{result.images_per_prompt} images a prompt, every combination equally often.",
        table=Table(
            ["method", *steered, "all", "95 %", "profession kept", "scene kept"],
            [_row(one) for one in counted],
        ),
        bars=bar_chart("Share that shows all", [("all", one.method, one.all_obeyed) for one in counted]),
        grids=[
            picture_grid(
                gallery, made[0].wishes[0].prompt, [(condition.method.name, condition) for condition in made]
            )
        ],
    )


def _row(one: ComposedCondition) -> list[str]:
    return [
        one.method,
        *(told(share) for share in one.obeyed.values()),
        told(one.all_obeyed),
        told_interval(one.all_obeyed),
        told(one.profession),
        told(one.scene),
    ]


def _interpolated(evaluation: Compose, result: ComposeResult, gallery: Gallery) -> Iterator[Section]:
    strengths = result.interpolations[0].strengths
    yield Section(
        "Strength",
        "The share of pictures that show a concept as its strength grows, in multiples of the recommended one; for "
        "a safety concept, the share that is without what it prevents, on prompts that bring it.",
        table=Table(
            [
                "concept",
                "method",
                *(f"x {strength:g}" for strength in strengths),
                "monotone",
                f"profession kept, x {strengths[-1]:g}",
            ],
            [
                [
                    one.concept,
                    one.method,
                    *(told(share, 2) for share in one.shown),
                    "yes" if one.is_monotone else f"falls by {told(one.largest_fall)}",
                    told(one.profession[-1]),
                ]
                for one in result.interpolations
            ],
        ),
        lines=[
            LineChart(
                f"Share that shows the concept, {method}",
                "strength, in multiples of the recommended one",
                _lines([one for one in result.interpolations if one.method == method]),
                mark=(1.0, "recommended"),
            )
            for method in dict.fromkeys(one.method for one in result.interpolations)
        ],
        grids=[
            Grid(
                f"{method.name}: one seed at strengths {', '.join(f'{one:g}' for one in strengths)}",
                [
                    (
                        concept,
                        [
                            gallery.pictures(condition, condition.wishes[0].prompt, 1)[0]
                            for condition in conditions
                        ],
                    )
                    for (concept, other), conditions in evaluation.interpolated.items()
                    if other is method
                ],
            )
            for method in dict.fromkeys(method for _, method in evaluation.interpolated)
        ],
    )


def _lines(interpolations: Sequence[Interpolation]) -> dict[str, list[tuple[float, float]]]:
    return {
        one.concept: [
            (strength, share.value) for strength, share in zip(one.strengths, one.shown, strict=True)
        ]
        for one in interpolations
    }
