import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
import uvicorn

from service.app import create_app
from service.settings import Settings


@pytest.fixture(scope="module")
def url(options: Mapping[str, object], until_ready) -> Iterator[str]:
    """A server on a loopback port of its own, which allows long runs."""
    app = create_app(Settings(**{**options, "max_steps": 1000}))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    until_ready(lambda path: httpx2.get(address + path))
    yield address
    server.should_exit = True
    thread.join()


LONG = {"prompt": "a photo of a doctor", "num_inference_steps": 900, "num_images": 8}
SHORT = {"prompt": "a photo of a doctor", "num_inference_steps": 2, "seed": 7}


def sample(url: str, name: str) -> float:
    """The value of one sample of /metrics, 0 where it has not been counted yet."""
    lines = httpx2.get(f"{url}/metrics", timeout=60).text.splitlines()
    return sum(float(line.removeprefix(f"{name} ")) for line in lines if line.startswith(f"{name} "))


def test_images_over_a_real_connection(url):
    first, again = (httpx2.post(f"{url}/generate", json=SHORT, timeout=60) for _ in range(2))
    assert first.status_code == 200
    assert first.json()["images"] == again.json()["images"]
    png = httpx2.post(f"{url}/generate", json=SHORT, headers={"Accept": "image/png"}, timeout=60)
    assert png.content.startswith(b"\x89PNG")


def test_the_server_answers_while_the_engine_works_and_a_client_that_leaves_frees_it(url):
    with ThreadPoolExecutor(max_workers=1) as pool:
        impatient = httpx2.Timeout(60, read=3)
        leaving = pool.submit(httpx2.post, f"{url}/generate", json=LONG, timeout=impatient)
        while sample(url, "trimtab_requests_in_flight") < 1:
            time.sleep(0.01)
        refused = httpx2.post(f"{url}/generate", json={**SHORT, "scheduler": "x"}, timeout=60)
        assert refused.status_code == 422
        assert not leaving.done()
        with pytest.raises(httpx2.ReadTimeout):
            leaving.result()
    # The engine has one thread: this one has its turn because LONG was given up.
    assert httpx2.post(f"{url}/generate", json=SHORT, timeout=60).status_code == 200
    assert sample(url, 'trimtab_requests_total{outcome="cancelled"}') == 1
