"""Charts as SVG to be set into a page: bars with their intervals, and lines. The page's style sheet colours them.

matplotlib draws them; text stays text, colours become the style sheet's variables. Entry points: `BarChart` and
`LineChart`, each with its `svg()`.
"""

from __future__ import annotations

import io
import math
import re
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.errors import EvaluationError

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

WIDTH_IN: Final = 10.25
"""Width of every chart in inches; a page shows it at 96 pixels an inch, or narrower."""

# Colours that stand for variables of the style sheet, which knows whether it is light or dark.
_INK, _MUTED, _RULE, _PAPER = "#100001", "#100002", "#100003", "#100004"
_SERIES: Final = tuple(f"#20000{number}" for number in range(8))
"""The first is the grey of what the others are compared with."""
_VARIABLES: Final = {
    _INK: "var(--ink)",
    _MUTED: "var(--muted)",
    _RULE: "var(--rule)",
    _PAPER: "var(--paper)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(_SERIES)},
}
_HATCHES: Final = ("", "////", "....", "xxxx")
_MARKERS: Final = "osD^vPX*"
_MOST_TOLD_BARS: Final = 150
"""Charts of more bars than this go without the values in figures, for want of room."""
_MOST_TICKS: Final = 12
_STYLE: Final[dict[RcKeyType, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "trimtab",  # the same chart is the same text
    "text.parse_math": False,  # a prompt may hold "$"
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _RULE,
    "axes.labelcolor": _MUTED,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.color": _MUTED,
    "ytick.color": _INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "grid.color": _RULE,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "hatch.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.bottom": False,
}


@dataclass(frozen=True)
class Bar:
    """A measured value and its 95 % interval; a value that is not a number was not measured."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class BarChart:
    """Horizontal bars: of each label one of every series, in their order; the first is what others compare with.

    Raises EvaluationError where a series has not one bar for each label, or there is nothing to draw.
    """

    title: str
    labels: Sequence[str]
    series: Mapping[str, Sequence[Bar]]

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        if not self.labels or not self.series:
            raise EvaluationError(f"the bar chart {self.title!r} has nothing to draw: give labels and series")
        for name, bars in self.series.items():
            if len(bars) != len(self.labels):
                raise EvaluationError(
                    f"the bar chart {self.title!r} has {len(self.labels)} labels, but {len(bars)} bars of "
                    f"{name!r}: give one for each label"
                )

    def svg(self, prefix: str) -> str:
        """Draw it as an SVG element whose ids begin with `prefix`, which is no other chart's on the page."""
        number = len(self.series)
        height_in = len(self.labels) * max(0.36, 0.12 + 0.17 * number) + (0.85 if number > 1 else 0.45)
        with _figure(height_in) as figure:
            axes = figure.subplots()
            for place, (series, bars) in enumerate(self.series.items()):
                self._draw_series(axes, place, series, bars)
            axes.set_yticks([])
            for row, label in enumerate(self.labels):
                _add_label(axes, row, label)
            axes.set_ylim(len(self.labels) - 0.5, -0.5)
            axes.set_xlim(*self._range())
            axes.grid(axis="x")
            if number > 1:
                _add_legend(figure, axes, list(self.series))
            return _svg(figure, self.title, prefix)

    def _draw_series(self, axes: Axes, place: int, name: str, bars: Sequence[Bar]) -> None:
        """Draw one series' bars, whiskers and values."""
        number = len(self.series)
        thickness = 0.78 / number
        colour, hatch = _looks(number)[place]
        decimals = max(0, 3 - math.ceil(math.log10(max(1.0, *map(abs, self._ends())))))
        rows = [row + (place - (number - 1) / 2) * thickness for row in range(len(bars))]
        axes.barh(
            rows,
            [bar.value if math.isfinite(bar.value) else 0.0 for bar in bars],
            height=thickness * 0.86,
            color=colour if not hatch else "none",
            edgecolor=colour,
            linewidth=0.6,
            hatch=hatch,
            label=_printable(name),
        )
        for row, bar in zip(rows, bars, strict=True):
            is_measured = math.isfinite(bar.value)
            if is_measured:
                for colour_of_line, width in ((_PAPER, 2.4), (_INK, 1.1)):  # to be seen on the bar too
                    axes.plot(
                        (bar.low, bar.high),
                        (row, row),
                        color=colour_of_line,
                        linewidth=width,
                        solid_capstyle="butt",
                    )
            if number * len(self.labels) <= _MOST_TOLD_BARS:
                axes.annotate(
                    f"{bar.value:.{decimals}f}" if is_measured else "not measured",
                    (max(bar.value, bar.high, 0.0) if is_measured else 0.0, row),
                    xytext=(5, -0.5),
                    textcoords="offset points",
                    va="center",
                    fontsize=8,
                    color=_MUTED,
                )

    def _ends(self) -> tuple[float, float]:
        """Return the least and the greatest end of all bars and intervals, and of 0."""
        bars = [bar for series in self.series.values() for bar in series]
        ends = [end for bar in bars for end in (bar.value, bar.low, bar.high) if math.isfinite(end)]
        return min([0.0, *ends]), max([0.0, *ends])

    def _range(self) -> tuple[float, float]:
        """Return the axis' ends, with room for the values' figures."""
        low, high = self._ends()
        if low == high:
            return 0.0, 1.0
        return low, high + 0.07 * (high - low)


@dataclass(frozen=True)
class LineChart:
    """Values over a quantity, a line for each series of (x, value); `mark` is a place on the x axis and its name.

    Raises EvaluationError where there is nothing to draw.
    """

    title: str
    x_label: str
    series: Mapping[str, Sequence[tuple[float, float]]]
    mark: tuple[float, str] | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        if not any(self.series.values()):
            raise EvaluationError(f"the line chart {self.title!r} has nothing to draw: give series of points")

    def svg(self, prefix: str) -> str:
        """Draw it as an SVG element whose ids begin with `prefix`, which is no other chart's on the page."""
        with _figure(3.0) as figure:
            axes = figure.subplots()
            looks = zip(cycle(_SERIES[1:]), cycle(_MARKERS), self.series.items(), strict=False)
            for colour, marker, (name, points) in looks:
                xs, values = [x for x, _ in points], [value for _, value in points]
                axes.plot(xs, values, color=colour, marker=marker, markersize=5, label=_printable(name))
            every = [value for points in self.series.values() for _, value in points]
            if min(every) >= 0:
                top = 1.0 if max(every) <= 1 else 1.05 * max(every)
                axes.set_ylim(-0.02 * top, 1.02 * top)
            if self.mark is not None:
                place, name = self.mark
                axes.axvline(place, color=_MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
                axes.annotate(
                    _printable(name),
                    (place, 0),
                    xycoords=("data", "axes fraction"),
                    xytext=(4, 4),
                    textcoords="offset points",
                    fontsize=8,
                    color=_MUTED,
                )
            axes.set_xlabel(_printable(self.x_label))
            axes.grid()
            axes.spines["left"].set_visible(False)
            places = sorted({x for points in self.series.values() for x, _ in points})
            if len(places) <= _MOST_TICKS:
                axes.set_xticks(places, [f"{place:g}" for place in places])
            if len(self.series) > 1:
                _add_legend(figure, axes, list(self.series))
            return _svg(figure, self.title, prefix)


def _looks(number: int) -> list[tuple[str, str]]:
    """Return colour and hatch of each of so many series: the first is grey, unless it is alone."""
    if number == 1:
        return [(_SERIES[1], "")]
    looks = ((colour, hatch) for hatch in cycle(_HATCHES) for colour in _SERIES)
    return list(islice(looks, number))


@contextmanager
def _figure(height_in: float) -> Iterator[Figure]:
    """A figure in the page's style, for as long as the block lasts."""
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # matplotlib only measures the text: whoever reads the page has the fonts for it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield Figure(figsize=(WIDTH_IN, height_in), layout="constrained")


def _add_legend(figure: Figure, axes: Axes, names: Sequence[str]) -> None:
    """Name the series above the axes, in as many columns as fit."""
    columns = max(1, min(len(names), 120 // (max(map(len, names)) + 7)))
    handles, labels = axes.get_legend_handles_labels()
    # matplotlib fills column after column, people read line after line.
    order = [place for column in range(columns) for place in range(column, len(names), columns)]
    figure.legend(
        [handles[place] for place in order],
        [labels[place] for place in order],
        loc="outside upper left",
        ncols=columns,
        fontsize=9,
    )


def _add_label(axes: Axes, row: int, label: str) -> None:
    """Write a label before its bars, in up to three lines that end alike whatever font shows them."""
    lines = textwrap.wrap(_printable(label), 34, max_lines=3, placeholder=" …")
    for number, line in enumerate(lines):
        axes.annotate(
            line,
            (0, row),
            xycoords=("axes fraction", "data"),
            xytext=(-6, ((len(lines) - 1) / 2 - number) * 11),
            textcoords="offset points",
            ha="right",
            va="center",
        )


def _printable(text: str) -> str:
    """Replace what XML cannot hold (control characters, halves of surrogate pairs)."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _svg(figure: Figure, title: str, prefix: str) -> str:
    """Return a figure as an SVG element for HTML: no fixed size, no ids but those referred to, no namespaces."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(drawn.getvalue())
    referred = set(re.findall(r"#([\w-]+)", drawn.getvalue().decode()))
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
        own = attributes.pop("id", "")
        if own in referred:
            attributes["id"] = f"{prefix}-{own}"
        element.attrib.clear()
        element.attrib.update({key: _for_the_page(value, prefix) for key, value in attributes.items()})
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    width_px = round(figure.get_figwidth() * 96)
    root.attrib |= {"style": f"width: {width_px}px", "role": "img", "aria-label": _printable(title)}
    return ElementTree.tostring(root, encoding="unicode")


def _for_the_page(attribute: str, prefix: str) -> str:
    """Leave colours and font to the page's style sheet, and refer to ids by their new names."""
    attribute = re.sub(r"font-family: [^;]*;? ?", "", attribute)
    attribute = re.sub(r"#[12]0000\d\b", lambda match: _VARIABLES[match.group()], attribute)
    return re.sub(r"(^|url\()#", rf"\1#{prefix}-", attribute)
