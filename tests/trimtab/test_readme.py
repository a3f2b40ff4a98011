"""The README's own blocks, run as a newcomer would."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
COMMAND = re.compile(r"^\.venv/bin/", re.MULTILINE)


def blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """What `make serve` runs, on a free port."""
    process = subprocess.Popen(
        [Path(sys.executable).parent / "trimtab", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        cwd=tmp_path,
    )
    assert process.stdout is not None
    seen = ""
    try:
        for line in process.stdout:
            seen += line
            if found := re.search(r"ready at\s+(http://\S+)", line):
                yield found.group(1)
                break
        else:
            pytest.fail(seen)
    finally:
        process.terminate()
        process.wait(120)
        process.stdout.close()


@pytest.mark.slow
def test_the_curl_line_saves_a_grid_worth_looking_at(served: str, tmp_path: Path) -> None:
    (curl,) = [block for block in blocks("bash") if block.startswith("curl")]
    started = time.monotonic()
    subprocess.run(["bash", "-ec", curl.replace("http://127.0.0.1:8000", served)], cwd=tmp_path, check=True)
    assert time.monotonic() - started < 240
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.width >= 3 * 192
        assert grid.height >= 3 * 192
        images = json.loads(grid.text["trimtab"])["images"]
    assert len(images) == 12
    applied = [{vector["concept"] for vector in image["applied"]} for image in images]
    assert all({"anti-sexual"} < concepts for concepts in applied)
    assert {len(concepts & {"woman", "man"}) for concepts in applied} == {1}
    assert {len(concepts & {"black", "white", "asian"}) for concepts in applied} == {1}


@pytest.mark.slow
def test_the_notebook_block_runs() -> None:
    (block,) = blocks("python")
    names: dict[str, object] = {}
    exec(
        compile(
            block.replace("guidance_scale=5)", "guidance_scale=5, num_inference_steps=10)"), "README", "exec"
        ),
        names,
    )
    woman, three = names["woman"], names["three"]
    assert isinstance(woman, Image.Image)
    assert isinstance(three, list)
    from detectors import DemoOracle

    (reading,) = DemoOracle().read([woman])
    assert reading.items() >= {"gender": "woman", "glasses": "yes", "profession": "doctor"}.items()
    assert [reading.get("race") for reading in DemoOracle().read(three)][:2] == ["black", "asian"]


@pytest.mark.slow
def test_the_learning_lines_publish_vectors_that_can_be_served(tmp_path: Path) -> None:
    learning = [block for block in blocks("bash") if "learn-vector" in block]
    assert len(learning) == 2
    for block in learning:
        line = (
            COMMAND.sub(f"{Path(sys.executable).parent}/", block.strip())
            + " --steps 3 --batch 4 --detector none"
        )
        subprocess.run(["bash", "-ec", line], cwd=tmp_path, check=True, capture_output=True)
    library = {path.parent.name for path in (tmp_path / "library").glob("*/1.safetensors")}
    assert library >= {"old", "anti-anger", "woman", "man", "anti-sexual"}
    assert list((tmp_path / "runs").glob("old-*/old.png"))
