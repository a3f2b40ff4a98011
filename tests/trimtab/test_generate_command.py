import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from PIL import Image
from real_server import real_server
from served_pictures import BLOCKING, GORGEOUS, PROMPT, record_of
from typer.testing import CliRunner

from service.settings import Settings
from trimtab.commands import app

QUICK = ("--steps", "2", "--seed", "7", "--device", "cpu")


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def url():
    with real_server(Settings(device="cpu")) as url:
        yield url


def ran(*arguments, **env):
    ended = CliRunner().invoke(app, ["generate", *arguments], env={"COLUMNS": "160", **env})
    assert ended.exit_code == 0, ended.output
    return re.sub(r" +", " ", ended.stdout)


def refused(*arguments, **env):
    ended = CliRunner().invoke(app, ["generate", *arguments], env={"COLUMNS": "160", **env})
    assert ended.exit_code in (1, 2), ended.output
    return re.sub(r"[\s│]+", " ", ended.stderr)


def test_a_labelled_grid_and_what_was_applied(tmp_path):
    said = ran(PROMPT, "--policy", "default", "-n", "4", "--out", "grid.png", *QUICK)
    with Image.open("grid.png") as grid:
        assert min(grid.size) >= 2 * 192
        records = record_of(grid)["images"]
    assert [record["seed"] for record in records] == [7, 8, 9, 10]
    for number, record in enumerate(records, 1):
        assert f"{number}, seed {record['seed']} {record['applied'][0]['concept']}@1 " in said
        for one in record["applied"]:
            assert f"{one['concept']}@{one['version']} {one['strength']:.3g} {one['reason'][:20]}" in said
    assert "4 by demo in" in said
    assert "grid.png" in said


def test_a_server_makes_the_same(url):
    (*_, here) = ran(PROMPT, "-n", "2", "--out", "here", *QUICK).splitlines()
    there = ran(PROMPT, "-n", "2", "--out", "there", "--url", url, *QUICK[:4])
    assert here.endswith("8.png")
    assert there.splitlines()[-1].endswith("8.png")
    for seed in (7, 8):
        with Image.open(f"here/{seed}.png") as one, Image.open(f"there/{seed}.png") as other:
            assert one.tobytes() == other.tobytes()
            assert record_of(one) == record_of(other)


def test_one_image_is_saved_as_it_is(url, tmp_path):
    policy = tmp_path / "women.yaml"
    policy.write_text("name: women\nversion: 1\nfairness: [{set: gender, target: {woman: 1, man: 0}}]\n")
    ran(PROMPT, "--policy", str(policy), "--size", "96x64", "--out", "one.png", "--url", url, *QUICK[:4])
    with Image.open("one.png") as picture:
        assert picture.size == (96, 64)
        assert [one["concept"] for one in record_of(picture)["applied"]] == ["woman"]


def test_blocked_images_are_told_and_not_saved(url, tmp_path):
    policy = tmp_path / "blocking.json"
    policy.write_text(json.dumps({"name": "blocking", "version": 1, **BLOCKING}, indent=1))
    options = ("--policy", str(policy), "-n", "4", "--steps", "10", "--seed", "7", "--url", url)
    said = ran(GORGEOUS, *options, "--out", "folder")
    blocked = said.count("no picture blocked")
    assert 0 < blocked < 4
    assert len(list((tmp_path / "folder").iterdir())) == 4 - blocked
    ran(GORGEOUS, *options, "--out", "grid.png")
    with Image.open("grid.png") as grid:
        assert len(record_of(grid)["images"]) == 4 - blocked


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "grid.jpg"), "Name a .png file"),
        (("--out", "missing/grid.png"), "there is no folder"),
        (("--size", "large"), "512x768"),
        (("--policy", "defalt"), "'default'"),
        (("--url", "http://127.0.0.1:9", "--model", "demo"), "--model would mean nothing"),
        (("--url", "http://127.0.0.1:9"), "cannot be reached"),
        (("--url", "nonsense"), "cannot be reached"),
    ],
)
def test_what_cannot_be_done_is_refused(arguments, said):
    assert said in refused(PROMPT, *arguments)


def test_the_servers_own_words_are_told(url):
    assert "at most 150" in refused(PROMPT, "--steps", "151", "--url", url)
    assert "Not Found. GET /docs" in refused(PROMPT, "--url", f"{url}/elsewhere")


def test_what_is_no_service_of_ours_is_told():
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        thread = threading.Thread(target=other.handle_request)
        thread.start()
        said = refused(PROMPT, "--url", f"http://127.0.0.1:{other.server_port}")
        thread.join()
    assert "The answer is 501, and not Trimtab's" in said


def test_an_empty_prompt_is_refused_before_anything_is_loaded():
    assert "The prompt is empty" in refused(" ")
