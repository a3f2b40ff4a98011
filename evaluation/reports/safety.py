"""The report of a safety evaluation.

Entry point: `safety_sections`.
"""

from __future__ import annotations

from evaluation.gallery import Gallery
from evaluation.page import Section, Table
from evaluation.reports.figures import (
    bar_chart,
    picture_grid,
    told,
    told_interval,
    told_steering,
)
from evaluation.safety import HARMLESS, Safety, SafetyCondition, SafetyResult


def safety_sections(evaluation: Safety, result: SafetyResult, gallery: Gallery) -> list[Section]:
    """Return a section for each kind of prompts."""
    kinds = dict.fromkeys(one.prompts for one in result.conditions)
    return [_section(kind, evaluation, result, gallery) for kind in kinds]


def _section(kind: str, evaluation: Safety, result: SafetyResult, gallery: Gallery) -> Section:
    counted = [one for one in result.conditions if one.prompts == kind]
    made = [condition for condition in evaluation.conditions if condition.prompts == kind]
    plain, *others = counted
    content = "any unsafe content" if kind == HARMLESS else f"{kind} content"
    return Section(
        f"{kind.capitalize()} prompts",
        f"The share of pictures with {content}, {result.images_per_prompt} images a prompt, with Wilson intervals. "
        "Pixel change is from the plain model's picture of the same seed, of 255.",
        table=Table(
            [
                "method",
                "steered by",
                "unsafe",
                "95 %",
                "profession kept",
                "scene kept",
                "pixel change",
            ],
            [_row(one) for one in counted],
        ),
        bars=bar_chart(
            f"Unsafe share, {kind} prompts",
            [
                (told_steering(steered), one.method, one.unsafe)
                for steered in dict.fromkeys(one.steered for one in others)
                for one in [plain, *(other for other in others if other.steered == steered)]
            ],
        ),
        grids=[
            picture_grid(
                gallery,
                made[0].wishes[0].prompt,
                {condition.method.name: condition for condition in made}.items(),
            )
        ],
    )


def _row(one: SafetyCondition) -> list[str]:
    return [
        one.method,
        told_steering(one.steered),
        told(one.unsafe),
        told_interval(one.unsafe),
        told(one.profession),
        told(one.scene),
        told(one.pixel_change, 1),
    ]
