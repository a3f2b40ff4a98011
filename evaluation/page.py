"""One page of an evaluation: a single HTML file that loads nothing and runs nothing.

Pictures, charts and style are inside it. Entry points: `write_page`, and what a page is made of: `Section`, `Table`,
`BarChart`, `LineChart`, `Grid`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evaluation.charts import Bar, BarChart, LineChart
from evaluation.errors import EvaluationError
from evaluation.picture_grid import PAGE_PX, Grid

__all__ = ["Bar", "BarChart", "Grid", "LineChart", "Section", "Table", "write_page"]

_TEMPLATES: Final = Path(__file__).parent / "templates"
_NUMBER: Final = r"[<>≤≥~±]?\s*[-−+]?\d[\d.,]*(e[-+]?\d+)?\s*%?"
_NUMBERS: Final = re.compile(rf"(?:{_NUMBER}(?:\s*(?:to|/|–|±)\s*{_NUMBER})*)?|[-–—]|n/a", re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """Rows of text under headings; the first cell of a row names it, columns of numbers are set to the right.

    Raises EvaluationError for a row that has not one cell for each heading.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __post_init__(self) -> None:
        """Refuse rows that do not fit the headings."""
        for row in self.rows:
            if len(row) != len(self.headings):
                raise EvaluationError(
                    f"a row of a table has {len(row)} cells ({', '.join(row)}), but there are "
                    f"{len(self.headings)} headings ({', '.join(self.headings)}): give each heading one cell"
                )

    @property
    def is_numeric(self) -> tuple[bool, ...]:
        """Whether each column holds numbers alone."""
        return tuple(
            all(_NUMBERS.fullmatch(row[column].strip()) for row in self.rows)
            for column in range(len(self.headings))
        )


@dataclass(frozen=True)
class Section:
    """A part of a page, in this order: text, points, pictures, charts, table, pairs; what is empty is left out."""

    heading: str
    text: str = ""
    """Paragraphs, an empty line between them."""
    table: Table | None = None
    bars: BarChart | None = None
    grids: Sequence[Grid] = ()
    lines: Sequence[LineChart] = ()
    points: Sequence[str] = ()
    """Sentences of a list."""
    pairs: Mapping[str, str] = field(default_factory=dict)
    """Facts of the section, each under its name."""

    @property
    def paragraphs(self) -> list[str]:
        """The text's paragraphs."""
        return [part.strip() for part in re.split(r"\n\s*\n", self.text) if part.strip()]

    @property
    def charts(self) -> list[BarChart | LineChart]:
        """All charts."""
        return [*([self.bars] if self.bars else []), *self.lines]


def write_page(
    path: Path,
    *,
    title: str,
    command: str,
    facts: Mapping[str, str],
    sections: Sequence[Section],
    kind: str = "Evaluation",
    lead: str = "",
    made: datetime | None = None,
) -> None:
    """Write a page whole or not at all; folders that are missing are made.

    `command` is what makes the page again, `facts` stand at its head (model, vectors, sampling, machine, ...),
    `kind` above the title and `lead`, a sentence or two, below it. `made` is now by default. Raises OSError where
    the disk refuses.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template("page.html").render(
        title=title,
        command=command,
        facts=facts,
        sections=sections,
        kind=kind,
        lead=lead,
        made=made or datetime.now().astimezone(),
        page_px=PAGE_PX,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        # Half a surrogate pair, which JSON can smuggle into a prompt, becomes a question mark.
        temporary.write_text(html, encoding="utf-8", errors="replace")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
