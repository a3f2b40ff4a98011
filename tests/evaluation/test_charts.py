import math
import re
from xml.etree import ElementTree

import pytest

from evaluation import EvaluationError
from evaluation.charts import Bar, BarChart, LineChart

HOSTILE = 'a <script>alert(1)</script> & "$\\frac{" \x00\ud800 写真'


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter("text")]


def lengths(svg: str, colour: str) -> list[float]:
    """The lengths of all horizontal lines of a colour."""
    paths = re.findall(r'd="M ([\d.]+) [\d.]+ +L ([\d.]+) [\d.]+ *"[^>]*?stroke: ([^;"]+)', svg)
    return [float(end) - float(start) for start, end, stroke in paths if stroke == colour]


def test_a_chart_keeps_its_text_as_text_and_leaves_colours_to_the_page() -> None:
    chart = BarChart(
        "Deviation", ["judge", "builder"], {"plain": [Bar(1, 0.9, 1)] * 2, "ours": [Bar(0, 0, 0.1)] * 2}
    )
    svg = chart.svg("chart-1")
    assert {"judge", "builder", "plain", "ours", "1.000", "0.000"} <= set(texts(svg))
    for variable in ("--ink", "--muted", "--rule", "--series-0", "--series-1"):
        assert f"var({variable})" in svg
    assert not re.search(r"#[0-9a-f]{6}\b", svg), "a colour that would not follow dark mode"
    assert "font-family" not in svg
    assert svg == chart.svg("chart-1"), "the same chart is the same text"


def test_bars_and_whiskers_are_as_long_as_they_should_be() -> None:
    chart = BarChart("t", ["a", "b"], {"one": [Bar(0.4, 0.3, 0.5), Bar(0.8, 0.2, 0.8)]})
    narrow, wide = lengths(chart.svg("c"), "var(--ink)")
    assert wide == pytest.approx(3 * narrow, rel=1e-3)


def test_values_have_the_decimals_of_their_scale_and_what_was_not_measured_says_so() -> None:
    shown = texts(BarChart("t", ["a", "b"], {"fid": [Bar(15.832, 15, 16), Bar(math.nan, 0, 1)]}).svg("c"))
    assert "15.8" in shown
    assert "not measured" in shown
    below = texts(BarChart("t", ["a"], {"difference": [Bar(-0.5, -0.6, -0.4)]}).svg("c"))
    assert "-0.500" in below
    assert BarChart("t", ["a"], {"one": [Bar(0, 0, 0)]}).svg("c")


def test_more_series_than_colours_are_told_apart_by_hatching() -> None:
    svg = BarChart("t", ["a"], {str(number): [Bar(0.5, 0.4, 0.6)] for number in range(10)}).svg("c")
    assert svg.count("<pattern") == 2
    assert svg.count('id="c-') == len(set(re.findall(r'id="(c-[^"]*)"', svg)))


def test_a_legend_is_read_line_by_line() -> None:
    names = [f"a method with quite a long name, number {number}" for number in range(4)]
    svg = BarChart("t", ["x"], {name: [Bar(0.5, 0.4, 0.6)] for name in names}).svg("c")
    places = {
        element.text: (float(element.attrib["y"]), float(element.attrib["x"]))
        for element in ElementTree.fromstring(svg).iter("text")
        if element.text in names
    }
    assert sorted(names, key=places.__getitem__) == names


def test_lines_are_drawn_over_their_own_places_with_the_mark() -> None:
    svg = LineChart(
        "t", "strength", {"success": [(0, 0.1), (0.5, 0.6), (1.25, 0.9)]}, (1.25, "recommended")
    ).svg("c")
    assert {"0", "0.5", "1.25", "strength", "recommended"} <= set(texts(svg))
    assert "success" not in texts(svg), "one line is named by the title"
    two = LineChart("t", "strength", {"success": [(0, 1)], "kept": [(0, 30)]}).svg("c")
    assert {"success", "kept"} <= set(texts(two))


def test_hostile_text_stays_text() -> None:
    for svg in (
        BarChart(HOSTILE, [HOSTILE], {HOSTILE: [Bar(0.5, 0.4, 0.6)], "b": [Bar(0.5, 0.4, 0.6)]}).svg("c"),
        LineChart(HOSTILE, HOSTILE, {HOSTILE: [(0, 1)], "b": [(0, 1)]}, (0, HOSTILE)).svg("c"),
    ):
        assert "<script" not in svg
        shown = " ".join(texts(svg))
        assert "<script>alert(1)</script>" in shown
        assert "$\\frac{" in shown
        assert "写真" in shown
        svg.encode()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BarChart("t", [], {"one": []}), "'t' has nothing to draw"),
        (lambda: BarChart("t", ["a"], {}), "'t' has nothing to draw"),
        (lambda: BarChart("t", ["a", "b"], {"one": [Bar(0, 0, 0)]}), "has 2 labels, but 1 bars of 'one'"),
        (lambda: LineChart("t", "x", {"one": []}), "'t' has nothing to draw"),
    ],
)
def test_a_chart_that_cannot_be_drawn_is_refused(make, message) -> None:
    with pytest.raises(EvaluationError, match=message):
        make()
