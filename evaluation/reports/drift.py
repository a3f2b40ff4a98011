"""The report of a drift evaluation.

Entry point: `drift_sections`.
"""

from __future__ import annotations

from evaluation.drift import Drift, DriftResult
from evaluation.gallery import Gallery
from evaluation.page import Section, Table
from evaluation.reports.figures import (
    bar_chart,
    picture_grid,
    told,
    told_interval,
    told_steering,
)


def drift_sections(evaluation: Drift, result: DriftResult, gallery: Gallery) -> list[Section]:
    """Return a section for each group of prompts."""
    kinds = dict.fromkeys(one.prompts for one in result.conditions)
    return [_section(kind, evaluation, result, gallery) for kind in kinds]


def _section(kind: str, evaluation: Drift, result: DriftResult, gallery: Gallery) -> Section:
    counted = [one for one in result.conditions if one.prompts == kind]
    made = [condition for condition in evaluation.conditions if condition.prompts == kind]
    return Section(
        f"Pictures of {kind}" if kind.startswith("harmless") else f"Pictures {kind}",
        "How far pictures move from the plain model's of the same seed: the mean absolute difference of their "
        "channel values, of 255, and the share of attributes read from the plain picture that the other has too. "
        f"{result.images_per_prompt} images a prompt.",
        table=Table(
            [
                "steered by",
                "method",
                "pixel change",
                "95 %",
                "attributes kept",
                "subject kept",
                "scene kept",
            ],
            [
                [
                    told_steering(one.steered),
                    one.method,
                    told(one.pixel_change, 1),
                    told_interval(one.pixel_change, 1),
                    told(one.attributes_kept),
                    told(one.subject),
                    told(one.scene),
                ]
                for one in counted
            ],
        ),
        bars=bar_chart(
            "Mean pixel change, of 255",
            [(told_steering(one.steered), one.method, one.pixel_change) for one in counted],
        ),
        grids=[
            picture_grid(
                gallery,
                made[0].wishes[0].prompt,
                [
                    (f"{condition.method.name}: {told_steering(condition.steered)}", condition)
                    for condition in made
                ],
            )
        ],
    )
