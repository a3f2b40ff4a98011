"""The blocks of docs/clients.md, run against a real server of the demo model."""

import re
import subprocess
from pathlib import Path

import pytest
from block_runner import close_all

TEXT = (Path(__file__).parents[3] / "docs" / "clients.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", blocks("python"))
def test_a_python_block_runs_and_leaves_its_files(block, url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    try:
        exec(compile(block.replace("http://127.0.0.1:8000", url), "docs/clients.md", "exec"), names)
    finally:
        close_all(names)
    written = re.findall(r'open\(f?"(\w+)|save\("(\w+)', block)
    stems = {name for names in written for name in names if name}
    assert {stem for path in tmp_path.iterdir() for stem in stems if path.name.startswith(stem)} == stems


def test_the_curl_line_shows_the_events(url):
    (curl,) = (block for block in blocks("bash") if "curl" in block)
    said = subprocess.run(
        ["bash", "-ec", curl.replace("http://127.0.0.1:8000", url)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = re.findall(r"^event: (\w+)$", said, re.MULTILINE)
    assert names.count("step") == 20
    assert {"preview", "image", "done"} <= set(names)
