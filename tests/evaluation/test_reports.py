import io
import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from drawn_method import DrawnMethod
from rich.console import Console
from told_detector import ATTRIBUTES, ToldDetector

from diffusion import Engine, Sampling
from evaluation import Bench, Compose, Drift, Evaluation, Fairness, Generalise, Safety
from evaluation.gallery import Gallery
from evaluation.measures import Estimate, Share
from evaluation.page import Section, write_page
from evaluation.prompts import Prompt
from evaluation.reports import (
    as_data,
    compose_sections,
    drift_sections,
    fairness_sections,
    generalise_sections,
    safety_sections,
    terminal_table,
)
from evaluation.reports.figures import bar_chart, told, told_interval
from evaluation.run_store import RunStore
from evaluation.studio import Studio

SAMPLING = Sampling(num_inference_steps=1)
DOCTOR, CAT = Prompt("a photo of a doctor", "doctor"), Prompt("a photo of a cat", subject="cat")


@pytest.mark.parametrize(
    ("plan", "sections", "expected"),
    [
        (
            partial(Fairness, prompts=[DOCTOR]),
            fairness_sections,
            ["gender + race", "1.000", "Mean deviation ratio", "drawn"],
        ),
        (
            partial(Safety, prompts={"sexual": [DOCTOR], "harmless": [DOCTOR]}),
            safety_sections,
            ["Harmless prompts", "anti-sexual + anti-violence", "95 %"],
        ),
        (
            partial(Drift, things=[CAT], people=[DOCTOR]),
            drift_sections,
            ["Pictures without people", "Pictures of harmless people", "pixel change"],
        ),
        (
            partial(Compose, harmless=[DOCTOR], unsafe={"sexual": [DOCTOR]}),
            compose_sections,
            ["monotone", "gender + race + with-glasses at once", "x 1.25"],
        ),
        (
            partial(Generalise, animals=[CAT], people=[DOCTOR], sizes_px=[(48, 48)]),
            generalise_sections,
            ["Cats and dogs", "48 x 48 px", "subject kept"],
        ),
    ],
)
def test_a_result_is_told_on_the_terminal_as_json_and_as_a_page(
    engine: Engine,
    store: RunStore,
    tmp_path: Path,
    plan: Callable[[Bench], Evaluation[Any]],
    sections: Callable[..., list[Section]],
    expected: list[str],
) -> None:
    reading = {"gender": "woman", "race": "black", "glasses": "yes", "heart": "no", "splash": "no"}
    detector = ToldDetector([reading, reading | {"gender": "man"}])
    detector.attributes = {**ATTRIBUTES, "glasses": ("no", "yes")}
    evaluation = plan(
        Bench(engine, detector, DrawnMethod("no vector"), [DrawnMethod()], SAMPLING, images_per_prompt=6)
    )
    ignore = lambda title, done, total: None  # noqa: E731
    Studio(engine, store, progress=ignore).make(evaluation.conditions)
    gallery = Gallery(store, detector, progress=ignore)
    result = evaluation.result(gallery)
    shown = sections(evaluation, result, gallery)

    out = io.StringIO()
    console = Console(file=out, width=200)
    for section in shown:
        console.print(terminal_table(section))
    for text in expected:
        assert text in out.getvalue()
    assert json.loads(json.dumps(as_data(result), allow_nan=False))["conditions"]

    write_page(tmp_path / "page.html", title="t", command="c", facts={}, sections=shown)
    page = (tmp_path / "page.html").read_text()
    assert "<svg" in page
    assert "data:image/png" in page


def test_what_was_not_measured_is_not_told_as_a_number() -> None:
    nothing = Share.of([])
    assert (told(nothing), told_interval(nothing)) == ("n/a", "n/a")
    assert told_interval(Estimate(1.0, (math.nan, math.nan))) == "n/a"
    assert as_data(nothing) == {"value": None, "interval": [0.0, 1.0], "hits": 0, "total": 0}
    assert as_data(Estimate(1.0, (math.nan, 2.0))) == {"value": 1.0, "interval": [None, 2.0]}


def test_a_chart_leaves_room_for_what_a_method_did_not_do() -> None:
    chart = bar_chart("t", [("a", "x", Share(1, 2)), ("b", "x", Share(1, 2)), ("b", "y", Share(2, 2))])
    assert list(chart.labels) == ["a", "b"]
    missing, measured = chart.series["y"]
    assert math.isnan(missing.value)
    assert (measured.value, measured.high) == (1, 1)
