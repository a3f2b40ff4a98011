"""SIGTERM, as an orchestrator sends it, on `trimtab serve` in a process of its own."""

import socket
import threading
import time
from collections.abc import Iterator, Mapping

import httpx2
import pytest
from jobs_over_http import is_running
from redis_server import RedisServer
from served_process import ServedProcess

PATIENCE_S = 120
SHORT = {"prompt": "a photo of a doctor", "num_inference_steps": 2, "seed": 7}
SECONDS = {**SHORT, "num_inference_steps": 400}
"""In the making for some seconds at least."""
FOREVER = {**SHORT, "num_inference_steps": 999, "num_images": 64}
"""Two at a time."""


@pytest.fixture
def serve(options: Mapping[str, object]) -> Iterator[type[ServedProcess]]:
    """Starts a service, ready."""
    started: list[ServedProcess] = []

    def start(**settings: object) -> ServedProcess:
        asked = {**options, "max_steps": 1000, "max_images": 64, "max_batch_rows": 4, **settings}
        process = ServedProcess(asked)
        started.append(process)
        process.until_ready()
        return process

    yield start
    for process in started:
        process.kill()


def until(holds) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_refused(url: str) -> bool:
    host, _, port = url.removeprefix("http://").partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def is_unready(url: str) -> bool:
    answer = httpx2.get(f"{url}/readyz", timeout=PATIENCE_S)
    return answer.status_code == 503 and answer.json()["error"]["code"] == "shutting_down"


@pytest.mark.slow
def test_what_is_sent_before_the_gateway_hears_of_it_is_served_and_what_runs_is_finished(serve):
    process = serve(drain_delay_s=60, grace_s=120)
    with (
        httpx2.Client(base_url=process.url, timeout=PATIENCE_S) as client,
        client.stream("POST", "/generate", json={**SECONDS, "stream": True}) as running,
    ):
        told = running.iter_lines()
        assert "event: step" in told
        process.terminate()
        until(lambda: is_unready(process.url))
        assert httpx2.get(f"{process.url}/readyz", timeout=PATIENCE_S).headers["retry-after"] == "1"
        assert httpx2.get(f"{process.url}/healthz", timeout=PATIENCE_S).status_code == 200
        late = httpx2.post(f"{process.url}/generate", json=SHORT, timeout=PATIENCE_S)
        assert late.status_code == 200
        assert late.headers["connection"] == "close"
        assert not is_refused(process.url)
        process.terminate()  # told again, it waits for gateways no longer, and for what runs all the same
        until(lambda: is_refused(process.url))
        assert "event: done" in told
    code, errors = process.ended()
    assert code == 0
    assert "Traceback" not in errors


@pytest.mark.slow
def test_what_the_grace_period_is_too_short_for_is_told_to_try_again(serve, redis_server: RedisServer):
    """A request and a job; the job goes back to the stream, and its attempt does not count."""
    process = serve(drain_delay_s=0.5, grace_s=1, redis_url=redis_server.url)
    with httpx2.Client(base_url=process.url, timeout=PATIENCE_S) as client:
        id = client.post("/jobs", json=FOREVER).json()["id"]
        until(lambda: is_running(client.get(f"/jobs/{id}").json()))
        answers: list[httpx2.Response] = []
        asking = threading.Thread(
            target=lambda: answers.append(
                httpx2.post(f"{process.url}/generate", json=FOREVER, timeout=PATIENCE_S)
            )
        )
        asking.start()
        until(lambda: "trimtab_requests_in_flight 1.0" in client.get("/metrics").text)
        process.terminate()
        asking.join(PATIENCE_S)
    (answer,) = answers
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "shutting_down")
    assert answer.headers["retry-after"] == "1"
    code, errors = process.ended()
    assert code == 0
    assert "Traceback" not in errors
    successor = serve(redis_url=redis_server.url)
    with httpx2.Client(base_url=successor.url, timeout=PATIENCE_S) as client:
        job = client.get(f"/jobs/{id}").json()
        assert (job["state"], job["attempts"]) in {("waiting", 0), ("running", 1)}
        client.delete(f"/jobs/{id}")
