"""The log of a real server, asked by friends and by others."""

import http.client
import io
import json
import logging
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx2
import pytest
from fastapi.testclient import TestClient
from jobs_over_http import has_ended

from diffusion import Engine, Order
from service.app import create_app
from service.key_file import changed_keys
from service.key_records import issued
from service.observability.logs import JsonLines, TextLines
from service.observability.request_ids import request_id
from service.observability.trail import Trail, begin
from service.settings import Settings

QUICK = {"prompt": "a photo of a doctor", "num_inference_steps": 1, "seed": 7}
FORGED = '2026-01-01T00:00:00.000+00:00 INFO    trimtab.access: {"level": "info"}'
BREAKS = ["\n", "\r\n", "\x85", "\u2028", "\x1b[2K\r", "\x00", "\u202e"]
"""What ends a line somewhere, rubs it out, ends it for good, or turns it round."""


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def key(keys_file: Path) -> str:
    new = issued("shop", ("generate", "read"), datetime.now(UTC))
    with changed_keys(keys_file) as keys:
        keys[new.record.id] = new.record
    return new.key.get_secret_value()


@pytest.fixture(scope="module")
def logged(served, options, keys_file, key) -> Iterator:
    settings = Settings(**options, keys=keys_file, tenants={"shop": {}})
    with served(settings) as logged:
        yield logged


@pytest.fixture
def ask(logged, key):
    def ask(method: str, path: str, id: str, **options) -> httpx2.Response:
        headers = {"X-API-Key": key, "X-Request-ID": id, **options.pop("headers", {})}
        return httpx2.request(method, logged.url + path, headers=headers, timeout=60, **options)

    return ask


def test_an_answered_request_is_one_line_that_says_what_became_of_it(logged, ask):
    answer = ask("POST", "/generate", "one-line", json={**QUICK, "num_images": 2})
    assert answer.headers["X-Request-ID"] == "one-line"
    line = logged.line("one-line")
    told = ("level", "message", "tenant", "method", "route", "status", "outcome", "images", "policy")
    expected = ["info", "POST /generate: 200", "shop", "POST", "/generate", 200, "ok", 2, "default"]
    assert [line[name] for name in told] == expected
    assert 0 < line["duration_s"] < 300
    assert datetime.fromisoformat(line["time"]).tzinfo == UTC


@pytest.mark.parametrize(
    ("id", "path", "body", "status", "outcome"),
    [
        ("refused", "/generate", {**QUICK, "prompt": ""}, 422, "empty_prompt"),
        ("own", "/generate", {**QUICK, "policy": {"name": "mine"}}, 200, "ok"),
        ("openai", "/v1/images/generations", {"prompt": "x", "model": "none"}, 404, "model_not_found"),
        ("stream", "/generate", {**QUICK, "stream": True}, 200, "ok"),
    ],
)
def test_every_outcome_has_its_code(logged, ask, id, path, body, status, outcome):
    ask("POST", path, id, json=body)
    line = logged.line(id)
    assert (line["status"], line["outcome"]) == (status, outcome)
    assert "mine" not in logged.written.getvalue()


def test_monitors_are_logged_for_debugging_alone(logged, ask):
    ask("GET", "/healthz", "monitor")
    ask("GET", "/vectors", "after")
    logged.line("after")
    assert not logged.of("monitor")


def test_a_job_is_logged_with_the_request_that_posted_it(logged, ask, until):
    job = ask("POST", "/jobs", "poster", json=QUICK).json()["id"]
    until(lambda: has_ended(ask("GET", f"/jobs/{job}", "asker").json()))
    ended = logged.line("poster", "service.jobs.work")
    assert (ended["job"], ended["tenant"], ended["outcome"], ended["images"]) == (job, "shop", "done", 1)
    assert logged.line("poster")["job"] == job
    assert {line["job"] for line in logged.of("asker")} == {job}


@pytest.mark.parametrize(
    "harmless", ["1", "Root=1-67891233-abcdef012345678912345678", "a.b_c:d-e", "x" * 128]
)
def test_a_harmless_id_is_kept(harmless):
    assert request_id(harmless) == harmless


@pytest.mark.parametrize("sent", [None, "", " ", "a b", "a\nb", "é", '"', "{}", "-x", "x" * 129, "a\x85b"])
def test_another_id_is_replaced(sent):
    ids = {request_id(sent), request_id(sent)}
    assert len(ids) == 2
    assert all(id.isalnum() and len(id) == 32 for id in ids)


def test_what_clients_send_never_makes_a_line_of_its_own(logged, ask, key, until):
    before = len(logged.lines())
    sent = 0
    for end in BREAKS:
        hostile = f"x{end}{FORGED}{end}"
        ask("POST", "/generate", f"hostile-{sent}", json={**QUICK, "prompt": hostile})
        ask("POST", "/generate", f"hostile-{sent + 1}", json={**QUICK, "policy": hostile})
        ask("GET", f"/vectors/{quote(hostile, safe='')}", f"hostile-{sent + 2}")
        ask("GET", f"/{quote(hostile, safe='')}?q={quote(hostile)}", f"hostile-{sent + 3}")
        ask("GET", f"/jobs/{quote(hostile, safe='')}", f"hostile-{sent + 4}", headers={"User-Agent": "x"})
        sent += 5
    connection = http.client.HTTPConnection(urlsplit(logged.url).netloc, timeout=60)
    connection.putrequest("FORGED", "/generate")
    connection.putheader("X-Request-ID", b"x\x85" + FORGED.encode())
    connection.putheader("X-API-Key", key)
    connection.endheaders()
    given = connection.getresponse().headers["X-Request-ID"]
    connection.close()
    assert given.isalnum()
    assert logged.line(given)["method"] == "other"
    with socket.create_connection(("127.0.0.1", urlsplit(logged.url).port)) as raw:
        raw.sendall(f"GET / HTTP/1.1\r\nX-Request-ID: a\x00\n{FORGED}\r\n\r\n".encode())
        raw.recv(1000)
    until(lambda: all(logged.of(f"hostile-{number}") for number in range(sent)))
    text = logged.written.getvalue()
    assert all(line.startswith('{"time": ') for line in text.splitlines())
    assert text.isascii()
    new = logged.lines()[before:]
    access = [line for line in new if line["logger"] == "trimtab.access"]
    assert len(access) == sent + 1
    assert not any("2026-01-01" in json.dumps(line) for line in access)


def test_keys_are_never_logged(logged, ask, key):
    secret = key.rpartition("_")[2]
    wrong = key.replace(secret, "0" * 64)
    ask("GET", "/vectors", "no-key", headers={"X-API-Key": wrong})
    assert logged.line("no-key")["outcome"] == "unknown_key"
    ask("GET", f"/{key}", "in-the-address")
    ask("GET", f"/vectors/{key}?key={key}", "in-the-query")
    ask("POST", "/generate", "in-the-body", json={**QUICK, "prompt": key, key: key})
    answer = ask("GET", "/vectors", key)
    assert answer.headers["X-Request-ID"] != key
    ask("GET", "/vectors", "last")
    logged.line("last")
    for line in ("in-the-address", "in-the-query", "in-the-body"):
        assert logged.line(line)["status"] >= 400
    assert secret not in logged.written.getvalue()
    assert "0" * 64 not in logged.written.getvalue()


def test_the_server_logs_in_the_same_format(logged):
    said = [line["message"] for line in logged.lines() if line["logger"] == "uvicorn.error"]
    assert "Application startup complete." in said


PROMPT = "a 'red'\n\"doctor\""


@pytest.mark.parametrize("log_prompts", [False, True])
def test_a_prompt_is_logged_where_it_may_be_and_else_not_even_in_a_traceback(
    log_prompts, options, monkeypatch, logged_to, until_ready
):
    def broken(_engine: Engine, rows, *_: object) -> list[Order]:
        raise RuntimeError(
            f"No image of {rows[0].prompt!r}, or {rows[0].prompt}, {json.dumps(rows[0].prompt)}."
        )

    written = io.StringIO()
    settings = Settings(**options, log_prompts=log_prompts)
    with (
        logged_to(written),
        TestClient(create_app(settings), raise_server_exceptions=False) as client,
    ):
        until_ready(client.get)
        assert client.post("/generate", json={**QUICK, "prompt": PROMPT}).status_code == 200
        monkeypatch.setattr(Engine, "prepare", broken)
        failed = client.post("/generate", json={**QUICK, "prompt": PROMPT})
        job = client.post("/jobs", json={**QUICK, "prompt": PROMPT}).json()["id"]
        while not has_ended(client.get(f"/jobs/{job}").json()):
            time.sleep(0.02)
    assert failed.status_code == 500
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    access = [line for line in lines if line.get("route") == "/generate"]
    assert [line.get("prompt") for line in access] == ([PROMPT, PROMPT] if log_prompts else [None, None])
    tracebacks = [line for line in lines if "RuntimeError: No image of" in line.get("exception", "")]
    assert len(tracebacks) >= 2
    assert tracebacks[0]["request_id"] == failed.headers["X-Request-ID"] == access[1]["request_id"]
    assert ("doctor" in written.getvalue()) is log_prompts


def record(message: str, error: Exception | None = None) -> logging.LogRecord:
    about = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord("service.test", logging.WARNING, __file__, 1, "%s", (message,), about)


@pytest.mark.parametrize("end", BREAKS)
def test_no_message_and_no_error_makes_a_line_of_its_own_in_either_format(end):
    hostile = f"x{end}{FORGED}\\"
    begin(Trail(request_id="mine", tenant=hostile, job=hostile))
    try:
        raise ValueError(hostile)
    except ValueError as error:
        with_error = record(hostile, error)
    line = JsonLines().format(with_error)
    assert line.isascii()
    assert line.isprintable()
    told = json.loads(line)
    assert (told["message"], told["request_id"], told["tenant"]) == (hostile, "mine", hostile)
    assert told["exception"].endswith(f"ValueError: {hostile}")
    first, *below = TextLines().format(with_error).split("\n")
    assert first.isprintable()
    assert " WARNING service.test: x" in first
    assert "request_id=mine" in first
    assert below
    assert all(one.startswith("    ") and one.isprintable() for one in below)
    begin(Trail())


def test_a_terminal_gets_text_and_anything_else_json(logged_to):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, first in ((Terminal(), "2"), (io.StringIO(), "{")):
        with logged_to(stream, "auto"):
            logging.getLogger("service.test").info("Said.")
            logging.getLogger("service.test").debug("Not said.")
            logging.getLogger("somebody.else").info("Not said.")
        assert stream.getvalue().startswith(first)
        assert len(stream.getvalue().splitlines()) == 1
