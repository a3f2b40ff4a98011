import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping

import httpx2
import pytest
from kept_logging import kept_logging
from typer.testing import CliRunner

from trimtab.commands import app

SERVE = (sys.executable, "-c", "from trimtab.commands import main; main()", "serve")


@pytest.fixture
def arguments(options: Mapping[str, object]) -> list[str]:
    return ["--model", str(options["model"]), "--vectors", str(options["vectors"])]


@pytest.fixture
def process(arguments: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*SERVE, *arguments, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        yield process
        process.kill()


def refused(*arguments: str) -> str:
    """What a serve that does not start says."""
    with kept_logging():
        ended = CliRunner().invoke(app, ["serve", *arguments])
    assert ended.exit_code == 1, ended.output
    return ended.stderr


@pytest.mark.slow
def test_serve_says_what_it_loaded_and_where_it_answers(process):
    said = ""
    for line in process.stdout:
        said += line
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            break
    assert "sd1 (sha256:" in said
    assert "anti-sexual@1" in said
    assert "default (default), research-off, strict" in said
    spent = re.search(r"started +in ([\d.]+) s: (.*)", said)
    parts = dict(part.rsplit(" ", 1) for part in spent[2].split(", "))
    assert {"settings", "imports", "weights", "other"} <= set(parts)
    assert sum(map(float, parts.values())) == pytest.approx(float(spent[1]), abs=0.1 * len(parts))
    assert httpx2.get(f"{found[0]}/readyz", timeout=60).status_code == 200
    request = {"prompt": "a photo of a doctor", "num_inference_steps": 1}
    assert httpx2.post(f"{found[0]}/generate", json=request, timeout=60).status_code == 200
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=120)
    assert process.returncode == 0
    assert rest.endswith("Stopped.\n")
    assert "Traceback" not in errors
    logged = [json.loads(line) for line in errors.splitlines()]
    said = [line["message"] for line in logged]
    assert f"Ready: sd1 at {found[0]}." in said
    assert "POST /generate: 200" in said
    assert "Finished server process" in said[-1]


@pytest.mark.slow
def test_a_service_that_is_told_to_stop_while_it_starts_ends_in_order(process):
    assert process.stdout.readline() == "Loading the model ...\n"
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_a_taken_port_is_refused_by_name():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"Port {port} on 127.0.0.1 is taken." in refused("--port", str(port))


def test_a_foreign_address_is_refused_by_name():
    host = ("--host", "203.0.113.1", "--port", "0", "--allow-anonymous")
    assert "Cannot listen on 203.0.113.1, port 0" in refused(*host)


def test_other_machines_are_listened_to_with_keys_only(tmp_path):
    assert "without keys the service listens to this machine alone" in refused("--host", "0.0.0.0")
    missing = tmp_path / "keys.json"
    said = refused("--host", "0.0.0.0", "--port", "0", "--keys", str(missing))
    assert f"There is no key file {missing}." in said


def test_a_bad_setting_is_refused_by_name():
    assert "port = 70000" in refused("--port", "70000")


def test_a_model_that_is_not_there_ends_the_process():
    assert "/does/not/exist" in refused("--port", "0", "--model", "/does/not/exist")
