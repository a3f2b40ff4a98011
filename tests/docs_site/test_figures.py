"""The tables of figures in the documents are those of benchmarks/results."""

import pytest

from docs_site.errors import FigureError
from docs_site.figures import MARKED, pages, with_figures
from docs_site.places import ROOT
from docs_site.tables import TABLES


@pytest.mark.parametrize("page", [page.relative_to(ROOT).as_posix() for page in pages()])
def test_a_page_s_tables_are_what_the_results_say(page: str) -> None:
    """Where this fails: run `python -m docs_site figures`, and look at the difference."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert with_figures(text, page) == text


def test_every_table_is_on_a_page() -> None:
    shown = {name for page in pages() for name, _ in MARKED.findall(page.read_text(encoding="utf-8"))}
    assert shown == set(TABLES)


def test_another_figure_is_put_right() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (name, table), *_ = MARKED.findall(text)
    assert name == "fairness"
    assert with_figures(text.replace(table, table.replace("0.", "9.")), "README.md") == text


@pytest.mark.parametrize(
    "text", ["<!-- figures: nothing -->\n<!-- /figures -->\n", "<!-- figures: gate -->\n"]
)
def test_a_wrong_marker_is_refused(text: str) -> None:
    with pytest.raises(FigureError, match=r"README\.md"):
        with_figures(text, "README.md")
