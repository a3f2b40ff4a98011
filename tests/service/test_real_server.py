import json
import socket
import time
from collections.abc import Iterator, Mapping

import httpx2
import pytest
from held_engines import slow_steps
from real_server import real_server, sample

from service.settings import Settings


@pytest.fixture(scope="module")
def url(options: Mapping[str, object]) -> Iterator[str]:
    """A server on a loopback port of its own, which allows long runs."""
    with real_server(Settings(**{**options, "max_steps": 1000})) as url:
        yield url


LONG = {"prompt": "a photo of a doctor", "num_inference_steps": 900, "num_images": 8}
SHORT = {"prompt": "a photo of a doctor", "num_inference_steps": 2, "seed": 7}


def until(holds) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_images_over_a_real_connection(url):
    first, again = (httpx2.post(f"{url}/generate", json=SHORT, timeout=60) for _ in range(2))
    assert first.status_code == 200
    assert first.json()["images"] == again.json()["images"]
    png = httpx2.post(f"{url}/generate", json=SHORT, headers={"Accept": "image/png"}, timeout=60)
    assert png.content.startswith(b"\x89PNG")


def test_the_server_answers_while_the_engine_works_and_a_client_that_leaves_frees_it(url):
    cancelled = 'trimtab_requests_total{outcome="cancelled"}'
    host, _, port = url.removeprefix("http://").partition(":")
    body = json.dumps(LONG).encode()
    head = f"POST /generate HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    with slow_steps(0.01):
        with socket.create_connection((host, int(port))) as leaving:
            leaving.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            until(lambda: sample(url, "trimtab_running_rows") == 8)
            refused = httpx2.post(f"{url}/generate", json={**SHORT, "scheduler": "x"}, timeout=60)
            assert refused.status_code == 422
            assert (sample(url, cancelled), sample(url, "trimtab_running_rows")) == (0, 8)
        until(lambda: sample(url, cancelled) == 1)
        until(lambda: sample(url, "trimtab_running_rows") == 0)
    assert httpx2.post(f"{url}/generate", json=SHORT, timeout=60).status_code == 200
    assert sample(url, cancelled) == 1
