"""The report of a fairness evaluation.

Entry point: `fairness_sections`.
"""

from __future__ import annotations

from collections.abc import Iterator

from evaluation.condition import Condition
from evaluation.fairness import Fairness, FairnessCondition, FairnessResult
from evaluation.gallery import Gallery
from evaluation.measures import Estimate
from evaluation.page import Section, Table
from evaluation.reports.figures import (
    bar_chart,
    picture_grid,
    told,
    told_interval,
    told_steering,
)


def fairness_sections(evaluation: Fairness, result: FairnessResult, gallery: Gallery) -> list[Section]:
    """Return what there is to tell: mean deviation ratios, those of each profession, and pictures."""
    names = list(result.conditions[0].deviation)
    return [
        Section(
            "Mean deviation ratio",
            "0 is fair, 1 is one group only. The mean over the professions, with a bootstrap interval over the "
            f"images; {result.images_per_prompt} images a prompt, each group asked for equally often, on the same "
            "seeds.",
            table=Table(
                [
                    "method",
                    "steered by",
                    *(heading for name in names for heading in (f"{name} DR", "95 %")),
                    "obeyed",
                    "profession kept",
                    "scene kept",
                ],
                [
                    [
                        one.method,
                        told_steering(one.steered),
                        *(
                            cell
                            for name in names
                            for cell in (
                                told(one.mean_deviation[name]),
                                told_interval(one.mean_deviation[name]),
                            )
                        ),
                        " / ".join(told(share) for share in one.obeyed.values()) or "-",
                        told(one.profession),
                        told(one.scene),
                    ]
                    for one in result.conditions
                ],
            ),
            bars=bar_chart("Mean deviation ratio", _bars(result)),
            grids=[
                picture_grid(gallery, wish.prompt, _all_steered(evaluation))
                for wish in evaluation.conditions[0].wishes[:: result.images_per_prompt][:2]
            ],
        ),
        Section(
            "Deviation ratio of each profession",
            table=Table(
                ["method", "steered by", "profession", *(f"{name} DR" for name in names)],
                [
                    [
                        one.method,
                        told_steering(one.steered),
                        profession,
                        *(told(one.deviation[name][profession], 2) for name in names),
                    ]
                    for one in result.conditions
                    for profession in one.deviation[names[0]]
                ],
            ),
        ),
    ]


def _bars(result: FairnessResult) -> Iterator[tuple[str, str, Estimate]]:
    """Yield a bar of each set for each steering that is about it; the plain model's beside them all."""
    plain, *others = result.conditions
    for steered in dict.fromkeys(one.steered for one in others):
        for name in steered:
            label = name if len(steered) == 1 else f"{name}, steered by {told_steering(steered)}"
            conditions: list[FairnessCondition] = [plain, *(one for one in others if one.steered == steered)]
            for one in conditions:
                yield label, one.method, one.mean_deviation[name]


def _all_steered(evaluation: Fairness) -> list[tuple[str, Condition]]:
    """Return the plain model's pictures and, of each method, those with most asked for."""
    shown = {condition.method.name: condition for condition in evaluation.conditions}
    return list(shown.items())
