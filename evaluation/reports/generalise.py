"""The report of a generalisation evaluation.

Entry point: `generalise_sections`.
"""

from __future__ import annotations

from evaluation.gallery import Gallery
from evaluation.generalise import Generalise, GeneraliseResult
from evaluation.page import Section, Table
from evaluation.reports.figures import (
    bar_chart,
    picture_grid,
    told,
    told_interval,
    told_steering,
)


def generalise_sections(evaluation: Generalise, result: GeneraliseResult, gallery: Gallery) -> list[Section]:
    """Return a section for each group of prompts."""
    kinds = dict.fromkeys(one.prompts for one in result.conditions)
    return [_section(kind, evaluation, result, gallery) for kind in kinds]


def _section(kind: str, evaluation: Generalise, result: GeneraliseResult, gallery: Gallery) -> Section:
    counted = [one for one in result.conditions if one.prompts == kind]
    made = [condition for condition in evaluation.conditions if condition.prompts == kind]
    return Section(
        kind.capitalize(),
        "The share of pictures that show what was asked for; the plain model was not asked. Where the plain model "
        "does not keep the profession either, a size is beyond it. "
        f"{result.images_per_prompt} images a prompt.",
        table=Table(
            [
                "asked for",
                "method",
                "shown",
                "95 %",
                "subject kept",
                "profession kept",
                "scene kept",
            ],
            [
                [
                    told_steering(one.steered),
                    one.method,
                    told(one.shown),
                    told_interval(one.shown),
                    told(one.subject),
                    told(one.profession),
                    told(one.scene),
                ]
                for one in counted
            ],
        ),
        bars=bar_chart(
            "Share that shows it",
            [(told_steering(one.steered), one.method, one.shown) for one in counted],
        ),
        grids=[
            picture_grid(
                gallery,
                prompt,
                [
                    (f"{condition.method.name}: {told_steering(condition.steered)}", condition)
                    for condition in made
                    if condition.steered == made[0].steered
                ],
            )
            for prompt in dict.fromkeys(
                wish.prompt for wish in made[0].wishes[:: result.images_per_prompt][::2]
            )
        ],
    )
