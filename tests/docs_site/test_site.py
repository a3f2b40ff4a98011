"""The site is built strictly, all that its pages link to is there, and nothing of it comes from elsewhere."""

from pathlib import Path

import pytest

from docs_site.building import build, description
from docs_site.errors import BrokenLinkError
from docs_site.links import Page, broken_links, foreign_loads, read_site
from docs_site.places import DOCS
from docs_site.repository_links import LinkRewriter


@pytest.fixture(scope="module")
def site() -> Path:
    return build(description())


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    return read_site(site)


def test_every_document_is_a_page_that_the_navigation_leads_to(pages: dict[str, Page]) -> None:
    wanted = {path.relative_to(DOCS).with_suffix(".html").as_posix() for path in DOCS.rglob("*.md")}
    wanted |= {
        "contributing.html",
        "changelog.html",
        "demo_model.html",
        "api/images.html",
        "api/schemas.html",
    }
    assert wanted <= set(pages)
    linked = {link.split("#")[0].removeprefix("./") for link in pages["index.html"].links}
    assert wanted <= {"index.html", *linked}


def test_every_link_and_anchor_leads_somewhere(site: Path, pages: dict[str, Page]) -> None:
    assert broken_links(site, pages) == []


def test_files_of_the_repository_that_pages_link_to_are_carried_along(site: Path) -> None:
    assert (site / "files/benchmarks/results/fairness.json").is_file()
    assert (site / "files/benchmarks/results/index.html").is_file()


def test_nothing_is_fetched_from_elsewhere(site: Path, pages: dict[str, Page]) -> None:
    assert foreign_loads(site, pages) == []


def test_the_api_reference_has_every_route(site: Path) -> None:
    text = " ".join(path.read_text(encoding="utf-8") for path in (site / "api").glob("*.html"))
    missing = [
        f"{method.upper()} {path}"
        for path, methods in description()["paths"].items()
        for method in methods
        if f"{method.upper()} {path}" not in text
    ]
    assert missing == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<h1 id="here"></h1><a href="#here"></a><a href="#gone"></a><a href="b.html"></a><a href="a.html#here"></a>'
        '<a href="https://example.com"></a><img src="c.png">'
    )
    assert broken_links(tmp_path, read_site(tmp_path)) == ["a.html: #gone", "a.html: b.html", "a.html: c.png"]


def test_what_is_fetched_from_elsewhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<link rel="stylesheet" href="https://fonts.example.com/x.css"><script src="//cdn.example.com/x.js"></script>'
        '<link rel="canonical" href="https://docs.example.com/a"><a href="https://example.com"></a>'
    )
    (tmp_path / "a.css").write_text(
        "@font-face { src: url('https://fonts.example.com/x.woff2') } a { background: url(x.png) }"
    )
    assert foreign_loads(tmp_path, read_site(tmp_path)) == [
        "a.html: https://fonts.example.com/x.css",
        "a.html: //cdn.example.com/x.js",
        "a.css: https://fonts.example.com/x.woff2",
    ]


def test_a_page_that_links_to_no_file_is_refused_with_its_line() -> None:
    text = "One\n\n```\n[code](nowhere.py)\n```\n\n[two](../nowhere.md)\n"
    with pytest.raises(
        BrokenLinkError, match=r"docs/x\.md:7 links to '\.\./nowhere\.md', and there is no nowhere\.md"
    ):
        LinkRewriter().rewrite(text, "docs/x.md", "x.md")
