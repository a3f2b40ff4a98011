from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from parsed_page import ParsedPage
from PIL import Image

from evaluation import EvaluationError
from evaluation.page import Bar, BarChart, Grid, LineChart, Section, Table, write_page

MADE = datetime(2026, 11, 3, 14, 5, tzinfo=UTC)
HOSTILE = "</style><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\x00\ud800"


def picture(size: tuple[int, int] = (64, 64), seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def written(path: Path, *sections: Section, **parts: object) -> ParsedPage:
    described = {
        "title": "Fairness",
        "command": "trimtab evaluate fairness",
        "facts": {},
        "made": MADE,
        **parts,
    }
    write_page(path / "page.html", sections=sections, **described)
    return ParsedPage.of(path / "page.html")


def test_a_page_holds_everything_it_was_given(tmp_path: Path) -> None:
    page = written(
        tmp_path,
        Section(
            "Deviation ratio",
            "0 is fair.\n\n1 is one group only.",
            table=Table(
                ("steered by", "ratio", "interval"), [("none", "0.98", "0.97 to 0.99"), ("gender", "–", "n/a")]
            ),
            bars=BarChart("By profession", ["judge"], {"plain": [Bar(1, 0.9, 1)], "ours": [Bar(0, 0, 0.1)]}),
        ),
        Section("Strength", lines=[LineChart("Over strengths", "strength", {"success": [(0, 0), (1, 1)]})]),
        Section("Pictures", grids=[Grid("a photo of a judge", [("no vector", [picture()]), ("woman", [picture()])])]),
        Section("Limits", points=["It is no proof."], pairs={"site": "mid_block"}),
        title="Fairness of the shipped vectors",
        lead="How evenly groups appear.",
        facts={"model": "demo", "machine": "2 CPU cores"},
        command="trimtab evaluate fairness --images 60",
    )  # fmt: skip
    for told in (
        "Fairness of the shipped vectors", "How evenly groups appear.", "demo", "2 CPU cores",
        "trimtab evaluate fairness --images 60", "3 November 2026, 14:05 UTC", "Deviation ratio", "0 is fair.",
        "0.97 to 0.99", "By profession", "judge", "Over strengths", "a photo of a judge", "no vector",
        "It is no proof.", "site", "mid_block",
    ):  # fmt: skip
        assert told in page.text
    assert len(page.all("svg")) == 2
    assert len(page.pictures) == 2
    assert [one["alt"] for one in page.all("img")] == [
        "a photo of a judge, no vector, 1",
        "a photo of a judge, woman, 1",
    ]
    numeric = [one.get("class") for name, one in page.elements if name in ("th", "td") and "class" in one]
    assert numeric == ["number"] * 6, "headings and cells of the two columns of numbers"
    assert len(page.all("a")) == 4, "a page of four sections has contents"
    page.assert_self_contained()


def test_hostile_text_is_shown_as_it_is(tmp_path: Path) -> None:
    page = written(
        tmp_path,
        Section(
            HOSTILE,
            HOSTILE,
            table=Table((HOSTILE,), [(HOSTILE,)]),
            bars=BarChart(HOSTILE, [HOSTILE], {HOSTILE: [Bar(0, 0, 0)], "b": [Bar(0, 0, 0)]}),
            grids=[Grid(HOSTILE, [(HOSTILE, [picture()])])],
            points=[HOSTILE],
            pairs={HOSTILE: HOSTILE},
        ),
        title=HOSTILE,
        lead=HOSTILE,
        kind=HOSTILE,
        command=HOSTILE,
        facts={HOSTILE: HOSTILE},
    )
    assert page.text.count("<script>alert(1)</script>") >= 15
    assert len(page.pictures) == 1
    page.assert_self_contained()


def test_the_same_page_is_the_same_file(tmp_path: Path) -> None:
    chart = BarChart("t", ["judge"], {"plain": [Bar(1, 0.9, 1)]})
    sections = [Section("A", bars=chart), Section("B", bars=chart)]
    first = written(tmp_path / "first", *sections)
    assert first.html == written(tmp_path / "second", *sections).html
    first.assert_self_contained()


def test_small_pictures_are_kept_pixel_by_pixel_and_shown_at_whole_multiples(tmp_path: Path) -> None:
    small = picture((32, 16))
    page = written(tmp_path, Section("A", grids=[Grid("g", [("r", [small, small])])]))
    assert page.pictures[0].tobytes() == small.tobytes()
    shown = page.all("img")[0]
    assert shown["class"] == "sharp"
    assert (int(shown["width"]) % 32, int(shown["width"])) == (0, 2 * int(shown["height"]))


def test_large_pictures_are_made_no_larger_than_print_needs(tmp_path: Path) -> None:
    page = written(tmp_path, Section("A", grids=[Grid("g", [("r", [picture((512, 768))] * 3)])]))
    shown = page.all("img")[0]
    width, height = int(shown["width"]), int(shown["height"])
    assert page.pictures[0].size == (2 * width, 2 * height)
    assert 2 * height == pytest.approx(3 * width, abs=2)
    assert 80 < height <= 144
    assert "class" not in shown


@pytest.mark.parametrize("mode", ["1", "P", "L", "RGBA", "CMYK"])
def test_pictures_of_any_mode_can_be_shown(tmp_path: Path, mode: str) -> None:
    page = written(tmp_path, Section("A", grids=[Grid("g", [("r", [picture((8, 8)).convert(mode)])])]))
    assert page.pictures[0].size == (8, 8)


def test_long_rows_go_on_in_blocks_below(tmp_path: Path) -> None:
    rows = [("plain", [picture(seed=seed) for seed in range(30)]), ("short", [picture(seed=99)])]
    page = written(tmp_path, Section("A", grids=[Grid("g", rows)]))
    assert len(page.all("table")) == 3
    assert len(page.pictures) == 31
    order = [one.tobytes() for one in page.pictures]
    assert order[:12] == [picture(seed=seed).tobytes() for seed in range(12)]
    assert order[12] == picture(seed=99).tobytes(), "the rows of a block stand under each other"
    assert order[-1] == picture(seed=29).tobytes()


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "made" / "for it"
    before = written(folder, Section("A")).html
    assert [path.name for path in folder.iterdir()] == ["page.html"]

    def refuse(*_: object) -> Path:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        written(folder, Section("B"))
    assert [path.name for path in folder.iterdir()] == ["page.html"]
    assert (folder / "page.html").read_text() == before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Table(("a", "b"), [("1",)]),
            r"a row of a table has 1 cells \(1\), but there are 2 headings",
        ),
        (lambda: Grid("judges", []), "the grid 'judges' has no pictures"),
        (lambda: Grid("judges", [("plain", [])]), "the grid 'judges' has no pictures"),
    ],
)
def test_what_cannot_be_shown_is_refused(make, message) -> None:
    with pytest.raises(EvaluationError, match=message):
        make()
