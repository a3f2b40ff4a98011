"""docs/security.md names tests that exist, and leaves no threat without one."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.compile(r"tests/[\w/]+\.py::\w+")


def rows() -> list[list[str]]:
    """The cells of each row of the threat table."""
    table = DOCUMENT.split("## Threats", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_threat_says_who_what_what_stops_it_and_which_test_shows_it():
    assert len(rows()) >= 20
    for row in rows():
        assert len(row) == 4, row
        who, tried, stopped_by, shown_by = row
        assert who, tried
        assert tried, stopped_by
        assert stopped_by, row
        assert NAMED.search(shown_by), row


def test_every_test_that_is_named_is_there():
    named = NAMED.findall(DOCUMENT)
    assert len(named) >= 40
    for one in named:
        file, name = one.split("::")
        assert (ROOT / file).is_file(), one
        assert name in functions(ROOT / file), one


def test_every_test_of_the_folder_is_named():
    """A threat that has a test has a row."""
    for file in sorted((ROOT / "tests/service/security").glob("test_*.py")):
        path = file.relative_to(ROOT).as_posix()
        for name in sorted(functions(file)):
            if name.startswith("test_"):
                assert f"{path}::{name}" in DOCUMENT, f"{path}::{name}"
