"""The code blocks of README.md, CONTRIBUTING.md and docs/, as they are written.

Entry points: `pages`, `blocks_of`. A block's title names the file that it is, or begins with NOT_RUN and says why.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
NOT_RUN = "Not run by the tests: "
TITLE = re.compile(r'title="([^"]*)"')


@dataclass(frozen=True)
class Block:
    """One block; `line` is its first line in the page, and `language` is empty where none is named."""

    page: str
    line: int
    language: str
    title: str
    text: str

    @property
    def why_not_run(self) -> str | None:
        return self.title.removeprefix(NOT_RUN) if self.title.startswith(NOT_RUN) else None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """Every page whose blocks have to be right, as paths in the repository."""
    documents = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
    return ["README.md", "CONTRIBUTING.md", *documents]


def blocks_of(page: str) -> list[Block]:
    """The fenced and the indented blocks of a page, in order."""
    found = []
    for token in MarkdownIt().enable("table").parse((ROOT / page).read_text(encoding="utf-8")):
        if token.type in ("fence", "code_block"):
            assert token.map is not None
            language, _, rest = token.info.strip().partition(" ")
            title = TITLE.search(rest)
            found.append(Block(page, token.map[0] + 1, language, title[1] if title else "", token.content))
    return found
