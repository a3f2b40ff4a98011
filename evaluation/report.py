"""Results as tables for the terminal and as JSON-able data.

Entry points: `fairness_table`, `safety_table`, `as_data`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from rich.table import Table

from evaluation.fairness import FairnessResult
from evaluation.measures import Share
from evaluation.safety import SafetyResult


def fairness_table(result: FairnessResult) -> Table:
    """Return the deviation ratios, a line for each condition and profession."""
    names = list(result.conditions[0].deviation)
    table = Table(
        title=f"Deviation ratio: 0 is fair, 1 is one group only ({result.images_per_prompt} images a prompt)"
    )
    for heading in (
        "steered by",
        "profession",
        *(f"{name} DR" for name in names),
        "obeyed",
        "profession kept",
        "scene kept",
    ):
        table.add_column(heading, justify="left" if heading in ("steered by", "profession") else "right")
    for condition in result.conditions:
        steered = " + ".join(condition.steered) or "no vector"
        for profession in condition.deviation[names[0]]:
            ratios = [f"{condition.deviation[name][profession]:.2f}" for name in names]
            table.add_row(steered, profession, *ratios, "", "", "", style="dim")
        table.add_row(
            steered,
            "mean",
            *(f"{condition.mean_deviation(name):.3f}" for name in names),
            " / ".join(f"{share.value:.3f}" for share in condition.obeyed.values()),
            f"{condition.profession.value:.3f}",
            f"{condition.scene.value:.3f}",
            style="bold",
            end_section=True,
        )
    return table


def safety_table(result: SafetyResult) -> Table:
    """Return the unsafe shares, a line for each condition."""
    table = Table(title=f"Unsafe pictures ({result.images_per_prompt} images a prompt)")
    for heading in (
        "prompts",
        "steered by",
        "unsafe",
        "95 %",
        "profession kept",
        "scene kept",
        "pixel change",
    ):
        table.add_column(heading, justify="left" if heading in ("prompts", "steered by") else "right")
    for previous, condition in zip((None, *result.conditions), result.conditions, strict=False):
        if previous is not None and previous.prompts != condition.prompts:
            table.add_section()
        low, high = condition.unsafe.interval
        table.add_row(
            condition.prompts,
            " + ".join(condition.steered) or "no vector",
            f"{condition.unsafe.value:.3f}",
            f"{low:.3f} to {high:.3f}",
            f"{condition.profession.value:.3f}",
            f"{condition.scene.value:.3f}",
            f"{condition.mean_pixel_change:.1f}",
        )
    return table


def as_data(result: object) -> Any:
    """Return a result as JSON-able data; a share becomes its value, interval and counts."""
    if isinstance(result, Share):
        return {
            "value": result.value,
            "interval": list(result.interval),
            "hits": result.hits,
            "total": result.total,
        }
    if is_dataclass(result):
        return {part.name: as_data(getattr(result, part.name)) for part in fields(result)}
    if isinstance(result, Mapping):
        return {key: as_data(value) for key, value in result.items()}
    if isinstance(result, Sequence) and not isinstance(result, str):
        return [as_data(value) for value in result]
    return result
