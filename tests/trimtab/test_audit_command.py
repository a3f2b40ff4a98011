import json
import re

import httpx2
import pytest
from PIL import Image
from real_server import real_server
from typer.testing import CliRunner

from service.settings import Settings
from trimtab.commands import app

ASKED = {"prompt": "a photo of a doctor", "num_inference_steps": 2, "seed": 7}


def ran(*arguments, **env):
    wide = {"COLUMNS": "200", **env}
    return CliRunner().invoke(app, ["audit", *map(str, arguments)], env=wide)


def told(*arguments, **env):
    ended = ran(*arguments, **env)
    assert ended.exit_code == 0, ended.output
    return re.sub(r" +", " ", ended.stdout)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("audit") / "audit.jsonl"


@pytest.fixture(scope="module")
def served(log):
    """Two requests of a service of the demo model: the folder of their pictures and their ids."""
    settings = Settings(device="cpu", audit_log=str(log), audit_replica="one")
    ids = []
    with real_server(settings) as url:
        for number, (count, policy) in enumerate(((2, "default"), (1, "research-off"))):
            body = {**ASKED, "num_images": count, "policy": policy}
            answer = httpx2.post(f"{url}/generate", json=body, headers={"Accept": "image/png"}, timeout=60)
            ids.append(answer.headers["x-trimtab-id"])
            (log.parent / f"{number}.png").write_bytes(answer.content)
    return ids


def test_a_sound_log_has_a_head_that_is_found_again(log, served):
    said = told("verify", log)
    assert f"{log}, the chain of one: 3 lines\n sound\n head 3:sha256:" in said
    head = said.split("head ")[1].strip()
    assert "sound" in told("verify", log, "--head", head)
    assert "sound" in told("verify", log, "--head", f"{log}={head}")
    (shown,) = json.loads(told("verify", "--json", TRIMTAB_AUDIT_LOG=str(log)))
    assert (shown["sound"], shown["head"], shown["lines"], shown["findings"]) == (True, head, 3, [])


@pytest.mark.parametrize("what", ["changed", "removed", "moved", "tail"])
def test_whatever_was_done_to_a_line_is_named(log, served, tmp_path, what):
    lines = log.read_text().splitlines(keepends=True)
    head = told("verify", log).split("head ")[1].strip()
    options, said = (
        [],
        {"changed": "audit.jsonl:2 changed", "removed": "audit.jsonl:2 removed: Before it line 2 is"},
    )
    match what:
        case "changed":
            lines[1] = lines[1].replace('"seed":8', '"seed":9')
        case "removed":
            del lines[1]
        case "moved":
            lines[1], lines[2] = lines[2], lines[1]
        case "tail":
            del lines[2]
            options = ["--head", head]
    said |= {
        "moved": "audit.jsonl:3 moved: Line 2 stands after",
        "tail": "The log ended at line 3 once: line 3 is",
    }
    copy = tmp_path / "audit.jsonl"
    copy.write_text("".join(lines))
    ended = ran("verify", copy, *options)
    assert ended.exit_code == 1
    assert said[what] in re.sub(r" +", " ", ended.stdout)
    assert "NOT SOUND" in ended.stdout
    if what == "tail":
        assert ran("verify", copy).exit_code == 0


def test_query_lists_what_is_asked_for(log, served):
    two, plain = served
    said = told("query", log)
    assert said.count("a photo of a doctor") == 3
    assert "3 images" in said
    assert f"{two[:12]}:1" in said
    assert "anti-violence@1 1" in said
    (shown,) = json.loads(told("query", log, "--policy", "research-off", "--json"))
    assert (shown["request"], shown["policy"], shown["sampling"]["seed"]) == (plain, "research-off", 7)
    assert "1 image\n" in told("query", log, "--image", log.parent / "1.png")
    assert "0 images" in told("query", log, "--image", log.parent / "0.png")  # a grid is none
    assert "the latest 2 of 3 images" in told("query", log, "--limit", "2", "--since", "1h")
    for options in (("--since", "2999-01-01"), ("--tenant", "acme"), ("--until", "2020-01-01T00:00")):
        assert "0 images" in told("query", log, *options)
    assert len(json.loads(told("query", log, "--concept", "anti-sexual", "--json"))) == 2
    assert ran("query", log, "--since", "yesterday").exit_code == 2
    assert ran("query", log, "--screen", "pased").exit_code == 2


def test_an_image_is_made_again_and_is_the_same(log, served, tmp_path):
    two, plain = served
    out = tmp_path / "again.png"
    said = told("replay", plain, "--log", log, "--device", "cpu", "--out", out)
    assert "equal: every pixel is as it was" in said
    with Image.open(out) as again, Image.open(log.parent / "1.png") as once:
        assert again.tobytes() == once.tobytes()
    shown = json.loads(told("replay", f"{two[:9]}:1", "--log", log, "--device", "cpu", "--json"))
    assert (shown["equal"], shown["line"]["image"]) == (True, 1)


def test_what_cannot_be_made_again_is_refused(log, served, folders, tmp_path):
    two, plain = served
    for arguments, said in (
        (("nobody",), "has no image of the request"),
        ((two,), f"There are: {two}:0, {two}:1"),
        ((plain, "--model", folders["sd1"], "--vectors", tmp_path), "Name the model of then"),
        ((plain, "--out", "picture.jpg"), "name a .png file"),
    ):
        refused = ran("replay", *arguments, "--log", log, "--device", "cpu")
        assert refused.exit_code in (1, 2), refused.output
        assert said in re.sub(r"[\s│]+", " ", refused.stderr)


def test_a_log_that_is_not_there_is_told(tmp_path):
    for command in (("verify",), ("query",)):
        assert "No audit log is configured" in ran(*command).stderr
        assert "There is no audit log at" in ran(*command, tmp_path / "missing.jsonl").stderr
        assert "No Redis is configured" in ran(*command, "redis").stderr


def test_a_log_in_redis_is_read_too(own_server):
    env = {"TRIMTAB_REDIS_URL": own_server.url}
    settings = Settings(device="cpu", audit_log="redis", redis_url=own_server.url)
    with real_server(settings) as url:
        id = httpx2.post(f"{url}/generate", json=ASKED, timeout=60).headers["x-trimtab-id"]
    assert "redis, the chain of redis: 1 line\n" in told("verify", "redis", **env)
    assert f"{id[:12]}:0" in told("query", "redis", **env)


def test_images_made_without_a_service_are_in_the_log_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    env = {"TRIMTAB_AUDIT_LOG": str(tmp_path / "own.jsonl"), "COLUMNS": "160"}
    made = CliRunner().invoke(
        app, ["generate", "a cat", "--steps", "2", "--device", "cpu", "--out", "cat.png"], env=env
    )
    assert made.exit_code == 0, made.output
    assert "1 image\n" in told("query", "own.jsonl", "--image", "cat.png")
    full = CliRunner().invoke(
        app, ["generate", "a cat", "--steps", "2", "--device", "cpu"], env={"TRIMTAB_AUDIT_LOG": "/dev/full"}
    )
    assert full.exit_code == 1
    assert "audit log cannot be written" in full.stderr
