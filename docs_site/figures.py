"""Tables of figures in README.md and docs/: between two markers, and written from benchmarks/results.

Entry points: `write_all`, `with_figures`. `<!-- figures: NAME -->` begins a table, `<!-- /figures -->` ends it.
"""

import re
from pathlib import Path

from docs_site.errors import FigureError
from docs_site.places import DOCS, ROOT
from docs_site.tables import TABLES

MARKED = re.compile(r"<!-- figures: ([\w-]+) -->\n(.*?)<!-- /figures -->\n", re.DOTALL)
BEGINS = "<!-- figures:"


def pages() -> list[Path]:
    """The documents that may have tables of figures."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def with_figures(text: str, page: str) -> str:
    """A document with its tables as the results say them. Raises FigureError for a marker that is wrong."""
    if text.count(BEGINS) != len(MARKED.findall(text)):
        raise FigureError(f"{page} has a '{BEGINS} NAME -->' without a '<!-- /figures -->'.")

    def table(found: re.Match[str]) -> str:
        name = found[1]
        if name not in TABLES:
            raise FigureError(f"{page} wants the figures {name!r}; there are {', '.join(sorted(TABLES))}.")
        return f"<!-- figures: {name} -->\n{_markdown(*TABLES[name]())}<!-- /figures -->\n"

    return MARKED.sub(table, text)


def write_all() -> list[str]:
    """Write the tables of all documents anew; gives the documents that changed."""
    changed = []
    for path in pages():
        page = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8")
        if (written := with_figures(text, page)) != text:
            path.write_text(written, encoding="utf-8")
            changed.append(page)
    return changed


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        "|" + "|".join(f" {cell} " if cell != "---" else cell for cell in line) + "|\n" for line in lines
    )
