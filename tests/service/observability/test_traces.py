"""Traces of real requests, as a real collector gets them."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise

import httpx2
import pytest
from fastapi.testclient import TestClient
from otlp_collector import Collector, Sent, collecting

from service.app import create_app
from service.errors import TracingError
from service.observability.tracing import Tracing
from service.settings import Settings

QUICK = {"prompt": "a photo of a zanzibar doctor", "num_inference_steps": 3, "seed": 7}
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"


@pytest.fixture(scope="module")
def _soon() -> Iterator[None]:
    """Spans are sent at once, and not every few seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        yield


@pytest.fixture(autouse=True)
def _no_otel_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("OTEL_") and "BSP" not in name]:
        monkeypatch.delenv(variable)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def logged(served, options, collector, _soon) -> Iterator:
    """A server that finds its collector by the standard variable."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        patch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=pictures")
        with served(Settings(**options)) as logged:
            yield logged


def post(logged, path: str, id: str, body: dict[str, object], **headers: str) -> httpx2.Response:
    return httpx2.post(logged.url + path, json=body, headers={"X-Request-ID": id, **headers}, timeout=60)


def of(id: str, name: str = "request"):
    def holds(span: Sent) -> bool:
        return span.name == name and span.attributes.get("trimtab.request_id") == id

    return holds


def test_a_request_is_one_trace_that_goes_on_its_callers(logged, collector):
    answer = post(logged, "/generate", "traced", {**QUICK, "num_images": 2}, traceparent=CALLER)
    assert answer.status_code == 200
    request = collector.wait(of("traced"))
    assert (request.trace_id, request.parent_id) == (CALLER.split("-")[1], CALLER.split("-")[2])
    assert request.service == "pictures"
    assert not request.has_failed
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/generate",
        "http.response.status_code": 200,
        "trimtab.outcome": "ok",
        "trimtab.request_id": "traced",
        "trimtab.rows": 2,
        "trimtab.policy": "default",
    }
    parts = sorted(
        collector.find(lambda span: span.parent_id == request.span_id), key=lambda one: one.began_ns
    )
    assert [part.name for part in parts] == ["policy", "queue", "steps", "decode", "encode"]
    assert {part.trace_id for part in parts} == {request.trace_id}
    edges = [edge for part in parts for edge in (part.began_ns, part.ended_ns)]
    within = [request.began_ns, *edges, request.ended_ns]
    tolerance_ns = 2_000_000  # two clocks
    assert all(later - earlier > -tolerance_ns for earlier, later in pairwise(within))
    applied = {vector["concept"] for image in answer.json()["images"] for vector in image["applied"]}
    steps = parts[2]
    assert steps.attributes == {
        "trimtab.rows": 2,
        "trimtab.unet_rows": 4,
        "trimtab.steps": 3,
        "trimtab.applied": sorted(applied),
    }
    assert steps.ended_ns > steps.began_ns
    assert logged.line("traced")["trace_id"] == request.trace_id
    assert collector.paths == {"/v1/traces"}


def test_without_a_caller_it_is_a_trace_of_its_own_and_a_refusal_is_told(logged, collector):
    post(logged, "/generate", "refused", {**QUICK, "scheduler": "x"})
    request = collector.wait(of("refused"))
    assert request.parent_id == ""
    assert request.attributes["trimtab.outcome"] == "unknown_scheduler"
    assert request.attributes["http.response.status_code"] == 422
    assert not request.has_failed


def test_what_its_caller_does_not_trace_is_not_traced(logged, collector):
    post(logged, "/generate", "unsampled", QUICK, traceparent=UNSAMPLED)
    post(logged, "/generate", "after", QUICK)
    collector.wait(of("after"))
    assert not collector.find(lambda span: span.trace_id == UNSAMPLED.split("-")[1])


def test_a_job_is_a_trace_of_its_own_that_is_linked_to_the_request_that_posted_it(logged, collector):
    job = post(logged, "/jobs", "poster", QUICK, traceparent=CALLER).json()["id"]
    made = collector.wait(of("poster", "job"))
    poster = collector.wait(of("poster"))
    assert made.trace_id != poster.trace_id
    assert [(link.trace_id, link.span_id) for link in made.links] == [(poster.trace_id, poster.span_id)]
    assert (made.attributes["trimtab.job"], made.attributes["trimtab.outcome"]) == (job, "done")
    assert poster.attributes["trimtab.job"] == job
    parts = [span.name for span in collector.find(lambda span: span.parent_id == made.span_id)]
    assert sorted(parts) == ["decode", "encode", "queue", "steps"]
    planned = collector.find(lambda span: span.parent_id == poster.span_id)
    assert [span.name for span in planned] == ["policy"]


def test_neither_prompts_nor_addresses_nor_monitors_are_sent(logged, collector):
    httpx2.get(f"{logged.url}/healthz", timeout=60)
    elsewhere = f"{logged.url}/nowhere/zanzibar?key=zanzibar"
    httpx2.get(elsewhere, headers={"X-Request-ID": "nowhere"}, timeout=60)
    post(logged, "/generate", "worded", {**QUICK, "policy": {"name": "zanzibar"}})
    assert collector.wait(of("nowhere")).attributes["http.route"] == "unmatched"
    assert collector.wait(of("worded")).attributes["trimtab.policy"] == "own"
    assert not any(b"zanzibar" in body for body in collector.bodies)
    assert not collector.find(lambda span: span.attributes.get("http.route") == "/healthz")


@pytest.mark.parametrize(
    "sent", ["", "00-xyz", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "junk", "9" * 5000]
)
def test_what_is_no_traceparent_begins_a_trace(logged, collector, sent):
    id = f"odd-{len(sent)}"
    post(logged, "/generate", id, {**QUICK, "prompt": ""}, traceparent=sent)
    assert collector.wait(of(id)).parent_id == ""


@pytest.mark.usefixtures("_soon")
def test_a_setting_wins_over_the_variable(options, until_ready, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    with (
        collecting() as collector,
        TestClient(create_app(Settings(**options, otlp_endpoint=collector.url))) as client,
    ):
        until_ready(client.get)
        client.get("/vectors", headers={"X-Request-ID": "set"})
        assert collector.wait(of("set")).service == "trimtab"


@pytest.mark.parametrize("answers", [False, True], ids=["refuses", "says nothing"])
@pytest.mark.usefixtures("_soon")
def test_a_collector_that_is_away_disturbs_nobody(options, until_ready, answers):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        if not answers:
            silent.close()
        app = create_app(Settings(**options, otlp_endpoint=f"http://127.0.0.1:{port}"))
        with TestClient(app) as client:
            until_ready(client.get)
            for _ in range(5):
                assert client.post("/generate", json={**QUICK, "num_inference_steps": 1}).status_code == 200
        # It has shut down with spans that nobody took.


def test_an_endpoint_without_the_extra_is_refused_at_the_start(options, monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    with pytest.raises(TracingError, match=r"trimtab\[otel\]"):
        create_app(Settings(**options))
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    create_app(Settings(**options))


@pytest.mark.parametrize("endpoint", ["collector:4318", "ftp://collector", "http://"])
def test_what_is_no_address_is_refused(endpoint):
    with pytest.raises(TracingError, match="http://collector:4318"):
        Tracing(endpoint)


def test_another_protocol_is_refused(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with pytest.raises(TracingError, match="http/protobuf"):
        Tracing("http://collector:4318")


def test_without_an_endpoint_nothing_of_opentelemetry_is_imported():
    program = (
        "import sys\n"
        "from service.observability.tracing import NO_SPAN, Tracing\n"
        "tracing = Tracing(None)\n"
        "tracing.open()\n"
        f"assert tracing.request({CALLER!r}) is NO_SPAN\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=240)
