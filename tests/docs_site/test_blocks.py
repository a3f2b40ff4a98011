"""Every code block of the documentation is run, or says visibly that it is not and is checked as far as it can be."""

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from block_runner import PageRun, commands_of
from documented_blocks import Block, blocks_of, pages
from documented_commands import unknown_options
from documented_files import check_yaml
from warm_commands import WarmCommands

LANGUAGES = {"bash", "console", "json", "python", "text", "yaml"}
RUN_BY_OTHERS = (
    ("README.md", "python", "", "tests/trimtab/test_readme.py"),
    ("README.md", "bash", "learn-vector", "tests/trimtab/test_readme.py"),
    ("docs/clients.md", "python", "", "tests/service/clients/test_documented.py"),
)
"""Page, language and a part of the text of blocks that another test runs, and looks at what they bring."""
ALL = [block for page in pages() for block in blocks_of(page)]


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmCommands]:
    with WarmCommands(tmp_path_factory.mktemp("warm")) as commands:
        yield commands


@pytest.fixture(scope="module")
def served(commands: WarmCommands, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The one server of all pages that start none."""
    server = PageRun(tmp_path_factory.mktemp("served"), "", commands)
    server.run(Block("", 0, "bash", "", "trimtab serve"))
    yield server.url
    server.close()


@pytest.mark.parametrize("page", [page for page in pages() if blocks_of(page)])
def test_the_blocks_of_a_page_run_one_after_another(
    page: str, served: str, commands: WarmCommands, tmp_path: Path
) -> None:
    run = PageRun(tmp_path, served, commands)
    try:
        for block in blocks_of(page):
            if block.why_not_run is not None or block.language == "text":
                continue
            if block.language == "json":
                json.loads(block.text)
            elif block.language == "yaml":
                with contextlib.chdir(run.folder):
                    check_yaml(run.write(block))
            elif not is_run_by_others(block):
                printed = run.run(block)
                if block.language == "console":
                    assert_printed(block, printed)
    finally:
        run.close()


@pytest.mark.parametrize("block", [block for block in ALL if block.why_not_run is not None], ids=str)
def test_what_is_not_run_says_why_and_is_right_as_far_as_it_goes(
    block: Block, commands: WarmCommands, tmp_path: Path
) -> None:
    assert block.why_not_run
    if block.language in ("bash", "console"):
        script = (
            block.text if block.language == "bash" else "".join(line for line, _ in commands_of(block.text))
        )
        subprocess.run(["bash", "-n", "-c", script], check=True)
        run = PageRun(tmp_path, "", commands)
        assert unknown_options(script, lambda module: run.printed(f"python -m {module} --help")) == []
    elif block.language == "python":
        compile(block.text, str(block), "exec")
    else:
        pytest.fail(f"{block}: {block.language} can be checked by itself")


def test_every_block_says_what_it_is() -> None:
    """An indented block is none of these, so a command cannot hide in one."""
    assert [f"{block} is {block.language!r}" for block in ALL if block.language not in LANGUAGES] == []
    assert len(ALL) >= 50


def is_run_by_others(block: Block) -> bool:
    return any(
        block.page == page and block.language == language and part in block.text
        for page, language, part, _ in RUN_BY_OTHERS
    )


def assert_printed(block: Block, printed: str) -> None:
    """What the page shows is printed: its lines in order, numbers and digests aside; `...` stands for any text."""
    rest = shape(printed)
    for _, said in commands_of(block.text):
        for line in said.splitlines():
            for part in shape(line).split("..."):
                part = part.strip()
                assert part in rest, f"{block} shows\n  {part}\nand this was printed:\n{rest}"
                rest = rest[rest.index(part) + len(part) :] if part else rest


def shape(text: str) -> str:
    """Text without what differs from run to run: digests, ids, numbers, how wide a table is."""
    text = re.sub(r"[─━│┃…]", " ", text)
    text = re.sub(r"\b(?=\w*\d)[0-9a-f]{8,}\b", "H", text)
    text = re.sub(r"\d+(?:[.:-]\d+)*", "N", text)
    return " ".join(text.split())
