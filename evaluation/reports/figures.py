"""What was counted, as cells of tables, bars of charts and grids of pictures.

Entry points: `told`, `told_interval`, `bar_chart`, `picture_grid`, `terminal_table`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

import rich.table

from evaluation.condition import Condition
from evaluation.gallery import Gallery
from evaluation.measures import Estimate, Share
from evaluation.page import Bar, BarChart, Grid, Section
from evaluation.prompts import Prompt

PICTURES_IN_A_ROW: Final = 12


def told(measured: Share | Estimate | float, decimals: int = 3) -> str:
    """Return a figure as text; "n/a" where it was not measured."""
    value = measured if isinstance(measured, float) else measured.value
    return "n/a" if math.isnan(value) else f"{value:.{decimals}f}"


def told_interval(measured: Share | Estimate, decimals: int = 3) -> str:
    """Return a figure's 95 % interval as text; "n/a" where there is none."""
    low, high = measured.interval
    if math.isnan(measured.value) or math.isnan(low):
        return "n/a"
    return f"{low:.{decimals}f} to {high:.{decimals}f}"


def told_steering(steered: Sequence[str]) -> str:
    """Return what was asked for as text; "-" for nothing."""
    return " + ".join(steered) or "-"


def bar_chart(title: str, bars: Iterable[tuple[str, str, Share | Estimate]]) -> BarChart:
    """Return a chart of (label, series, figure); where a series has none for a label, it was not measured."""
    found = {(label, series): _bar(measured) for label, series, measured in bars}
    labels = list(dict.fromkeys(label for label, _ in found))
    names = list(dict.fromkeys(series for _, series in found))
    missing = Bar(math.nan, math.nan, math.nan)
    return BarChart(
        title,
        labels,
        {name: [found.get((label, name), missing) for label in labels] for name in names},
    )


def _bar(measured: Share | Estimate) -> Bar:
    low, high = measured.interval
    if math.isnan(low):  # of a single picture
        low = high = measured.value
    return Bar(measured.value, low, high)


def picture_grid(
    gallery: Gallery, prompt: Prompt, labelled: Iterable[tuple[str, Condition]], title: str = ""
) -> Grid:
    """Return the first pictures of a prompt under several conditions, equal seeds under each other."""
    return Grid(
        title or prompt.text,
        [(label, gallery.pictures(condition, prompt, PICTURES_IN_A_ROW)) for label, condition in labelled],
    )


def terminal_table(section: Section) -> rich.table.Table | None:
    """Return a section's table for the terminal."""
    if section.table is None:
        return None
    shown = rich.table.Table(title=section.heading, title_justify="left")
    for heading, is_numeric in zip(section.table.headings, section.table.is_numeric, strict=True):
        shown.add_column(heading, justify="right" if is_numeric else "left")
    for row in section.table.rows:
        shown.add_row(*row)
    return shown
