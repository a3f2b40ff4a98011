"""Requests that clients send twice with one Idempotency-Key."""

import asyncio
import os
import re
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx2
import openai
import pytest
import redis
from held_engines import held_steps, slow_steps
from pydantic import SecretStr
from real_server import real_server, sample
from redis_server import RedisServer
from served_pictures import PROMPT
from starlette.responses import Response

import service.routes.once
from service.draining import Draining
from service.errors import StateUnavailableError
from service.routes.once import Once
from service.settings import Settings
from service.state.answers import RUNNING_KEPT_S, Begun, Fresh, Running
from service.state.shared import open_state

ASKED = {"prompt": PROMPT, "num_inference_steps": 2}
BODIES = {
    "/generate": ASKED,
    "/v1/images/generations": {**ASKED, "model": "demo"},
    "/hf/text-to-image": {"inputs": PROMPT, "parameters": {"num_inference_steps": 2}},
    "/sdapi/v1/txt2img": {"prompt": PROMPT, "steps": 2},
}


def posted(url, body, key, **headers):
    return httpx2.post(url, json=body, headers={"Idempotency-Key": key, **headers}, timeout=60)


def new_key():
    return str(uuid.uuid4())


@pytest.mark.parametrize("route", BODIES)
def test_the_same_request_is_made_once_on_every_route(url, route):
    """Without a seed, another try would be another picture."""
    key, made = new_key(), sample(url, "trimtab_images_total")
    first, again = (posted(url + route, BODIES[route], key) for _ in range(2))
    other = posted(url + route, BODIES[route], new_key())
    assert first.status_code == again.status_code == 200
    assert again.content == first.content
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["x-trimtab-id"] == first.headers["x-trimtab-id"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert other.content != first.content
    assert sample(url, "trimtab_images_total") == made + 2


@pytest.mark.parametrize("route", BODIES)
def test_another_body_is_refused_on_every_route(url, route):
    key = new_key()
    assert posted(url + route, BODIES[route], key).status_code == 200
    first, *_ = BODIES[route]
    answer = posted(url + route, {**BODIES[route], first: "a photo of a judge"}, key)
    assert answer.status_code == 422
    assert "idempotency_key_reused" in answer.text


def test_another_route_or_form_is_another_request(url):
    key = new_key()
    assert posted(f"{url}/generate", ASKED, key).status_code == 200
    assert posted(f"{url}/generate", ASKED, key, Accept="image/png").status_code == 422
    assert posted(f"{url}/v1/images/generations", ASKED, key).status_code == 422


def test_failures_are_not_kept(url):
    key = new_key()
    too_many = {**ASKED, "num_inference_steps": 140, "scheduler": "lcm"}
    for _ in range(2):
        answer = posted(f"{url}/generate", too_many, key)
        assert answer.json()["error"]["code"] == "impossible_steps"
    assert posted(f"{url}/generate", ASKED, key).status_code == 200


def test_a_client_that_left_may_try_again(url):
    key, long = new_key(), {**ASKED, "num_inference_steps": 400, "num_images": 8}
    impatient = httpx2.Timeout(60, read=1)
    with pytest.raises(httpx2.ReadTimeout), slow_steps(0.01):
        httpx2.post(f"{url}/generate", json=long, headers={"Idempotency-Key": key}, timeout=impatient)
    deadline = time.monotonic() + 120
    while (answer := posted(f"{url}/generate", ASKED, key)).status_code != 200:
        assert answer.status_code in (409, 422)
        assert time.monotonic() < deadline
        time.sleep(0.05)


def until_in_flight(url, requests):
    deadline = time.monotonic() + 60
    while sample(url, "trimtab_requests_in_flight") < requests:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_while_the_first_runs_the_client_waits_and_gets_its_answer(url):
    key = new_key()

    def generate():
        with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
            return client.images.generate(
                prompt=PROMPT,
                n=4,
                extra_body={"num_inference_steps": 4},
                extra_headers={"Idempotency-Key": key},
            )

    made = sample(url, "trimtab_images_total")
    refused = sample(url, 'trimtab_requests_total{outcome="still_running"}')
    with ThreadPoolExecutor(max_workers=2) as pool, held_steps() as held:
        first = pool.submit(generate)
        held.until_reached()
        second = pool.submit(generate)
        until_in_flight(url, 2)
        held.let_go()
        answers = [first.result(), second.result()]
    assert answers[0] == answers[1]
    assert sample(url, "trimtab_images_total") == made + 4
    assert sample(url, 'trimtab_requests_total{outcome="still_running"}') == refused


def test_who_has_waited_too_long_is_told_when_to_ask_again_and_its_client_does(url, monkeypatch):
    monkeypatch.setattr(service.routes.once, "WAITED_LONGER_S", -RUNNING_KEPT_S)
    key = new_key()
    asked = {
        "prompt": PROMPT,
        "extra_body": {"num_inference_steps": 4},
        "n": 4,
        "extra_headers": {"Idempotency-Key": key},
    }
    with (
        ThreadPoolExecutor(max_workers=1) as pool,
        held_steps() as held,
        openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client,
    ):
        first = pool.submit(client.images.generate, **asked)
        held.until_reached()
        with pytest.raises(openai.ConflictError) as refused:
            client.images.generate(**asked)
        held.let_go()
        first.result()
    assert refused.value.code == "still_running"
    assert refused.value.response.headers["x-should-retry"] == "true"
    assert 0 < int(refused.value.response.headers["retry-after"]) <= 30


@pytest.fixture
def doomed(redis_server, tmp_path):
    """A replica as a process of its own, and its address."""
    command = [sys.executable, "-c", "from trimtab.commands import main; main()", "serve", "--port", "0"]
    variables = {"OMP_NUM_THREADS": "1", "TRIMTAB_REDIS_URL": redis_server.url, "TRIMTAB_DEVICE": "cpu"}
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **variables}
        ) as process,
    ):
        found = None
        while found is None:
            found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        yield process, found[0]
        process.kill()


@pytest.mark.slow
def test_a_retry_takes_over_from_a_replica_that_was_killed_in_mid_image(replicas, doomed, redis_server):
    process, url = doomed
    key, asked = new_key(), {**ASKED, "num_inference_steps": 100, "num_images": 4}
    with ThreadPoolExecutor(max_workers=1) as pool:
        first = pool.submit(posted, f"{url}/generate", asked, key)
        while sample(url, "trimtab_running_rows") < 4:
            assert not first.done()
            time.sleep(0.01)
        with redis.Redis.from_url(redis_server.url) as store:
            running = [name for name in store.keys("trimtab:answer:*") if not store.hexists(name, "status")]
            assert len(running) == 1
            process.kill()
            assert isinstance(first.exception(), httpx2.TransportError)
            # It lapses half a minute after it was last renewed: sooner here.
            assert store.pttl(running[0]) > 15_000
            store.pexpire(running[0], 2000)
    answer = posted(f"{replicas[1]}/generate", asked, key)
    assert answer.status_code == 200
    assert "idempotent-replayed" not in answer.headers
    again = posted(f"{replicas[0]}/generate", asked, key)
    assert (again.content, again.headers["idempotent-replayed"]) == (answer.content, "true")


def test_a_stream_is_kept_from_its_images_on(url):
    key, body = new_key(), {**ASKED, "stream": True}
    first, again = (posted(f"{url}/generate", body, key) for _ in range(2))
    assert "event: step" in first.text
    assert again.text.startswith("event: image\n")
    assert first.text.endswith(again.text)
    assert again.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_that_cannot_be_one_is_refused(url, key):
    answer = posted(f"{url}/generate", ASKED, key)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "unusable_idempotency_key"


@pytest.fixture(scope="module")
def replicas(redis_server):
    """Two services on one Redis."""
    settings = Settings(device="cpu", redis_url=redis_server.url)
    with real_server(settings) as one, real_server(settings) as other:
        yield one, other


def test_another_replica_gives_the_answer_and_the_picture(replicas):
    one, other = replicas
    key, body = new_key(), {**ASKED, "response_format": "url"}
    first = posted(f"{one}/v1/images/generations", body, key)
    again = posted(f"{other}/v1/images/generations", body, key)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    address = first.json()["data"][0]["url"]
    pictures = [httpx2.get(at, timeout=60).content for at in (address, address.replace(one, other))]
    assert pictures[0] == pictures[1]


@pytest.fixture
def lonely_url(own_server):
    with real_server(Settings(device="cpu", redis_url=own_server.url)) as url:
        yield url


def test_without_the_store_requests_are_answered_and_say_so(lonely_url, own_server):
    url, key = lonely_url, new_key()
    own_server.kill()
    answer = posted(f"{url}/generate", {**ASKED, "policy": "research-off"}, key)
    assert answer.status_code == 200
    assert answer.headers["x-trimtab-degraded"] == "idempotency"
    refused = httpx2.post(
        f"{url}/v1/images/generations", json={**ASKED, "response_format": "url"}, timeout=60
    )
    assert refused.status_code == 503
    assert refused.headers["x-should-retry"] == "true"
    own_server.start()
    first, again = (posted(f"{url}/generate", ASKED, key) for _ in range(2))
    assert first.content == again.content


def test_keys_of_threads_that_race_are_made_once(url):
    key, made = new_key(), sample(url, "trimtab_images_total")
    barrier = threading.Barrier(4)

    def race():
        barrier.wait()
        return posted(f"{url}/generate", ASKED, key)

    with ThreadPoolExecutor(max_workers=4) as pool:
        answers = [future.result() for future in [pool.submit(race) for _ in range(4)]]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sample(url, "trimtab_images_total") == made + 1


def test_a_key_that_could_not_be_let_go_is_let_go_once_the_store_is_back(tmp_path, monkeypatch):
    """After a failure that came with an outage, whoever tries again need not wait until the key lapses."""
    monkeypatch.setattr(service.routes.once, "FORGET_EVERY_S", 0.2)
    server = RedisServer(tmp_path, keep=True)
    server.start()
    state = open_state(SecretStr(f"{server.url}?socket_timeout=30"))

    async def fail() -> Response:
        server.kill()
        raise StateUnavailableError(1)

    async def tried() -> list[type[Begun]]:
        once = Once(state.answers, Draining(), "key", "digest")
        with pytest.raises(StateUnavailableError):
            await once.answer(fail)
        await once.end()
        server.start()
        begun = []
        while not begun or begun[-1] is Running:
            begun.append(type(await asyncio.to_thread(state.answers.begin, "key", "digest")))
            await asyncio.sleep(0.05)
        return begun

    try:
        assert asyncio.run(asyncio.wait_for(tried(), 120))[-1] is Fresh
    finally:
        state.close()
        server.kill()
