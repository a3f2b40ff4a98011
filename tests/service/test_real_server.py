import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from real_server import real_server, sample

from service.settings import Settings


@pytest.fixture(scope="module")
def url(options: Mapping[str, object]) -> Iterator[str]:
    """A server on a loopback port of its own, which allows long runs."""
    with real_server(Settings(**{**options, "max_steps": 1000})) as url:
        yield url


LONG = {"prompt": "a photo of a doctor", "num_inference_steps": 900, "num_images": 8}
SHORT = {"prompt": "a photo of a doctor", "num_inference_steps": 2, "seed": 7}


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
