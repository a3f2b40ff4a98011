"""Jobs of several replicas on one Redis: any accepts, any makes, each job ends once."""

import itertools
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from held_engines import HeldSteps, held_steps
from jobs_over_http import LONG, QUICK, events_of, has_ended, is_running
from pydantic import SecretStr
from redis_server import RedisServer

from service.app import create_app
from service.draining import Draining
from service.server import Server
from service.settings import Settings
from service.state.jobs import JobRecord


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def shared(narrow: Mapping[str, object], own_server: RedisServer) -> Settings:
    """A replica whose claims outlast whatever else the machine does meanwhile."""
    return Settings(**narrow, redis_url=f"{own_server.url}?socket_timeout=30")


@pytest.fixture
def lapsing(shared: Settings) -> Settings:
    """The same with claims that lapse quickly, where that is waited for."""
    return shared.model_copy(update={"claim_kept_s": 3})


@pytest.fixture
def impatient(lapsing: Settings, own_server: RedisServer) -> Settings:
    """The same, for a store that will not answer: it is given up on quickly.

    For no other: on a busy machine a store that is well may take as long.
    """
    return lapsing.model_copy(update={"redis_url": SecretStr(f"{own_server.url}?socket_timeout=1")})


@contextmanager
def running(settings: Settings, until_ready) -> Iterator[TestClient]:
    with TestClient(create_app(settings)) as client:
        until_ready(client.get)
        yield client
        client.app.state.draining.cut_short()


@pytest.fixture
def replica(shared: Settings, until_ready) -> Iterator[TestClient]:
    with running(shared, until_ready) as client:
        yield client


@pytest.fixture
def lapsing_replica(lapsing: Settings, until_ready) -> Iterator[TestClient]:
    with running(lapsing, until_ready) as client:
        yield client


@pytest.fixture
def impatient_replica(impatient: Settings, until_ready) -> Iterator[TestClient]:
    with running(impatient, until_ready) as client:
        yield client


@pytest.fixture
def until_back() -> Callable[..., Mapping[str, Any]]:
    """Asks for a job, also while its store is away, until something holds of it."""

    def wait(client: TestClient, id: str, holds=has_ended) -> Mapping[str, Any]:
        deadline = time.monotonic() + 120
        while (answer := client.get(f"/jobs/{id}")).status_code == 503 or not holds(answer.json()):
            assert answer.status_code in (200, 503), answer.text
            assert answer.status_code == 503 or not has_ended(answer.json()), answer.text
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.02)
        return answer.json()

    return wait


@pytest.fixture
def post_back() -> Callable[..., str]:
    """Posts a job, also while its store is away, until it is accepted; its id."""

    def post(client: TestClient, request: Mapping[str, object]) -> str:
        deadline = time.monotonic() + 120
        while (answer := client.post("/jobs", json=request)).status_code == 503:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.02)
        return answer.json()["id"]

    return post


def test_what_one_replica_accepts_another_shows_and_each_makes_some(replica, shared, until_ready, until):
    request = {**QUICK, "num_images": 2}
    expected = replica.post("/generate", json=request).json()["images"]
    with ExitStack() as leaves:
        other = leaves.enter_context(TestClient(create_app(shared)))
        until_ready(other.get)
        held = leaves.enter_context(held_steps())
        ids = [replica.post("/jobs", json=request).json()["id"] for _ in range(8)]
        # Each has room for one: two run where both have begun.
        deadline = time.monotonic() + 120
        while sum(is_running(other.get(f"/jobs/{id}").json()) for id in ids) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        held.let_go()
        jobs = [until(other, id, has_ended) for id in ids]
        assert [job["state"] for job in jobs] == ["done"] * 8
        assert all(job["answer"]["images"] == expected for job in jobs)
        made = [client.get("/metrics").text for client in (replica, other)]
        counts = [float(text.split('trimtab_jobs_total{outcome="done"} ')[1].split()[0]) for text in made]
        assert sum(counts) == 8
        assert min(counts) > 0


def test_the_job_of_a_silent_worker_is_made_by_another_and_its_images_are_the_same(lapsing_replica, until):
    replica = lapsing_replica
    request = {**QUICK, "num_images": 2, "seed": 40}
    expected = replica.post("/generate", json=request).json()["images"]
    jobs = replica.app.state.shared.jobs
    in_front = replica.post("/jobs", json=LONG).json()["id"]
    until(replica, in_front, is_running)
    id = replica.post("/jobs", json=request).json()["id"]
    (claim,) = jobs.claim("a worker that is killed now")
    assert claim.id == id
    replica.delete(f"/jobs/{in_front}")
    until(replica, in_front, has_ended)
    job = until(replica, id, has_ended)
    assert (job["state"], job["attempts"]) == ("done", 2)
    assert job["answer"]["images"] == expected


def test_a_store_that_hangs_is_waited_for(impatient_replica, own_server, until_back, post_back):
    replica = impatient_replica
    request = {**LONG, "num_images": 2, "num_inference_steps": 200, "seed": 50}
    expected = replica.post("/generate", json=request).json()["images"]
    id = post_back(replica, request)
    until_back(replica, id, lambda job: is_running(job) or has_ended(job))
    own_server.hold()
    try:
        for method, path in (("POST", ""), ("GET", f"/{id}"), ("GET", f"/{id}/events"), ("DELETE", f"/{id}")):
            answer = replica.request(method, f"/jobs{path}", json=QUICK if method == "POST" else None)
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "state_unavailable"
            assert int(answer.headers["retry-after"]) > 0
        # What needs no store is served meanwhile, and the job is made: it only waits to be ended.
        assert replica.post("/generate", json=QUICK).status_code == 200
        time.sleep(4)
    finally:
        own_server.let_go()
    job = until_back(replica, id)
    assert job["state"] == "done"
    assert job["answer"]["images"] == expected
    assert until_back(replica, post_back(replica, QUICK))["state"] == "done"


def test_a_client_that_follows_is_told_the_end_across_an_outage(
    impatient_replica, own_server, until_back, post_back, monkeypatch
):
    replica = impatient_replica
    jobs, looks = replica.app.state.shared.jobs, itertools.count()
    find, looked = jobs.find, threading.Event()

    def seen(id: str) -> JobRecord | None:
        if next(looks) == 1:  # the first look is at whose it is
            looked.set()
        return find(id)

    with ThreadPoolExecutor(max_workers=1) as pool, held_steps() as held:
        id = post_back(replica, {**LONG, "num_images": 2, "num_inference_steps": 20})
        until_back(replica, id, is_running)
        monkeypatch.setattr(jobs, "find", seen)
        followed = pool.submit(replica.get, f"/jobs/{id}/events")
        assert looked.wait(60)
        own_server.hold()
        held.let_go()
        time.sleep(2)
        own_server.let_go()
        names = Counter(event.name for event in events_of(followed.result(timeout=120).text))
    assert (names["image"], names["done"], names["error"]) == (2, 1, 0)


def test_a_store_that_comes_back_empty_knows_no_job_and_takes_new_ones(replica, own_server, until):
    id = replica.post("/jobs", json=LONG).json()["id"]
    until(replica, id, is_running)
    own_server.kill()
    own_server.start()
    lost = replica.get(f"/jobs/{id}")
    assert (lost.status_code, lost.json()["error"]["code"]) == (404, "unknown_job")
    # The engine has room for two images: this one is made because the lost one is dropped.
    new = replica.post("/jobs", json=QUICK).json()["id"]
    assert until(replica, new, has_ended)["state"] == "done"


@contextmanager
def _once_it_drains(leaving: TestClient, held: HeldSteps) -> Iterator[None]:
    """Let steps go once a replica takes nothing on any more."""
    draining: Draining = leaving.app.state.draining

    def wait() -> None:
        deadline = time.monotonic() + 120
        while not draining.has_begun and time.monotonic() < deadline:
            time.sleep(0.02)
        held.let_go()

    thread = threading.Thread(target=wait)
    thread.start()
    yield
    thread.join()


def test_a_replica_that_shuts_down_finishes_what_it_has_time_for(shared, until_ready, until, replica):
    with ExitStack() as leaves, TestClient(create_app(shared)) as leaving:
        until_ready(leaving.get)
        replica.portal.call(replica.app.state.draining.begin)  # so that the other one claims
        time.sleep(0.5)
        held = leaves.enter_context(held_steps())
        id = leaving.post("/jobs", json={**QUICK, "num_images": 2}).json()["id"]
        until(leaving, id, is_running)
        behind = leaving.post("/jobs", json=LONG).json()["id"]
        leaves.enter_context(_once_it_drains(leaving, held))
    assert replica.get(f"/jobs/{id}").json()["state"] == "done"
    left = replica.get(f"/jobs/{behind}").json()
    assert (left["state"], left["attempts"]) == ("waiting", 0)
    replica.delete(f"/jobs/{behind}")


def test_a_replica_that_has_no_time_left_gives_its_job_to_another(shared, until_ready, until, replica):
    with TestClient(create_app(shared)) as leaving:
        until_ready(leaving.get)
        replica.portal.call(replica.app.state.draining.begin)
        time.sleep(0.5)
        id = leaving.post("/jobs", json=LONG).json()["id"]
        until(leaving, id, is_running)
        leaving.app.state.draining.cut_short()
    given_back = replica.get(f"/jobs/{id}").json()
    assert (given_back["state"], given_back["attempts"], given_back["position"]) == ("waiting", 0, 1)
    replica.delete(f"/jobs/{id}")


@contextmanager
def server_of(settings: Settings, until_ready) -> Iterator[tuple[Server, threading.Thread, str]]:
    """A server as `trimtab serve` runs it, its thread, and its address."""
    server = Server(create_app(settings))
    server.config.port = 0
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        until_ready(lambda path: httpx2.get(url + path, timeout=60))
        yield server, thread, url
    finally:
        for _ in range(2):
            server.handle_exit(signal.SIGINT, None)
        thread.join()


@pytest.fixture
def stopped(shared: Settings, until_ready, replica) -> Iterator[tuple[Server, threading.Thread, str]]:
    """A server to be stopped, beside a replica that takes nothing on."""
    replica.portal.call(replica.app.state.draining.begin)
    with server_of(shared, until_ready) as server:
        yield server


def test_a_server_that_is_told_to_stop_lets_go_of_who_follows_and_of_what_it_makes(stopped, until, replica):
    server, thread, url = stopped
    id = httpx2.post(f"{url}/jobs", json=LONG, timeout=60).json()["id"]
    until(replica, id, is_running)
    with httpx2.stream("GET", f"{url}/jobs/{id}/events", timeout=60) as followed:
        server.handle_exit(signal.SIGINT, None)
        assert not [event for event in events_of(followed.read().decode()) if event.name in ("done", "error")]
    # Within the grace period the job is made; a second Ctrl-C ends it.
    time.sleep(0.5)
    assert replica.get(f"/jobs/{id}").json()["state"] == "running"
    assert thread.is_alive()
    server.handle_exit(signal.SIGINT, None)
    thread.join(timeout=120)
    assert not thread.is_alive()
    left = replica.get(f"/jobs/{id}").json()
    assert (left["state"], left["attempts"]) == ("waiting", 0)
    replica.delete(f"/jobs/{id}")


def test_a_server_that_is_told_twice_while_clients_wait_gives_its_job_back(stopped, until, replica):
    """As where two signals come before the connections of the first have ended."""
    server, thread, url = stopped
    id = httpx2.post(f"{url}/jobs", json=LONG, timeout=60).json()["id"]
    until(replica, id, is_running)
    with httpx2.stream(
        "POST", f"{url}/generate", json={**LONG, "num_images": 2, "stream": True}, timeout=60
    ) as waiting:
        for _ in range(2):
            server.handle_exit(signal.SIGINT, None)
        with suppress(httpx2.TransportError):
            assert "event: done" not in waiting.read().decode()
    thread.join(timeout=120)
    assert not thread.is_alive()
    left = replica.get(f"/jobs/{id}").json()
    assert (left["state"], left["attempts"]) == ("waiting", 0)
    replica.delete(f"/jobs/{id}")


def test_a_job_is_given_back_once_the_store_is_there(impatient, own_server, until_ready, until, replica):
    """As where the machine is so busy at a shutdown that an answer of the store comes too late."""
    replica.portal.call(replica.app.state.draining.begin)
    with server_of(impatient, until_ready) as (server, thread, url):
        id = httpx2.post(f"{url}/jobs", json=LONG, timeout=60).json()["id"]
        until(replica, id, is_running)
        own_server.hold()
        try:
            for _ in range(2):
                server.handle_exit(signal.SIGINT, None)
            time.sleep(2)
            assert thread.is_alive()
        finally:
            own_server.let_go()
        thread.join(timeout=120)
        assert not thread.is_alive()
    left = replica.get(f"/jobs/{id}").json()
    assert (left["state"], left["attempts"]) == ("waiting", 0)
    replica.delete(f"/jobs/{id}")
