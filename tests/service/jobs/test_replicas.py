"""Jobs of several replicas on one Redis: any accepts, any makes, each job ends once."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from fastapi.testclient import TestClient
from jobs_over_http import LONG, QUICK, events_of, has_ended, is_running
from redis_server import RedisServer

from service.app import create_app
from service.server import Server
from service.settings import Settings


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def shared(narrow: Mapping[str, object], own_server: RedisServer) -> Settings:
    """A replica whose store is given up on quickly, and whose claims lapse quickly."""
    url = f"{own_server.url}?socket_timeout=0.3&socket_connect_timeout=0.3"
    return Settings(**narrow, redis_url=url, claim_kept_s=3)


@pytest.fixture
def replica(shared: Settings, until_ready) -> Iterator[TestClient]:
    with TestClient(create_app(shared)) as client:
        until_ready(client.get)
        yield client
        client.app.state.draining.cut_short()


def test_what_one_replica_accepts_another_shows_and_each_makes_some(replica, shared, until_ready, until):
    request = {**QUICK, "num_inference_steps": 60, "num_images": 2}
    expected = replica.post("/generate", json=request).json()["images"]
    with TestClient(create_app(shared)) as other:
        until_ready(other.get)
        ids = [replica.post("/jobs", json=request).json()["id"] for _ in range(8)]
        jobs = [until(other, id, has_ended) for id in ids]
        assert [job["state"] for job in jobs] == ["done"] * 8
        assert all(job["answer"]["images"] == expected for job in jobs)
        made = [client.get("/metrics").text for client in (replica, other)]
        counts = [float(text.split('trimtab_jobs_total{outcome="done"} ')[1].split()[0]) for text in made]
        assert sum(counts) == 8
        assert min(counts) > 0


def test_the_job_of_a_silent_worker_is_made_by_another_and_its_images_are_the_same(replica, until):
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


def test_a_store_that_hangs_is_waited_for(replica, own_server, until):
    request = {**LONG, "num_images": 2, "num_inference_steps": 200, "seed": 50}
    expected = replica.post("/generate", json=request).json()["images"]
    id = replica.post("/jobs", json=request).json()["id"]
    until(replica, id, is_running)
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
    job = until(replica, id, has_ended)
    assert job["state"] == "done"
    assert job["answer"]["images"] == expected
    assert until(replica, replica.post("/jobs", json=QUICK).json()["id"], has_ended)["state"] == "done"


def test_a_client_that_follows_is_told_the_end_across_an_outage(replica, own_server, until):
    id = replica.post("/jobs", json={**LONG, "num_images": 2, "num_inference_steps": 150}).json()["id"]
    until(replica, id, is_running)
    with ThreadPoolExecutor(max_workers=1) as pool:
        followed = pool.submit(replica.get, f"/jobs/{id}/events")
        time.sleep(0.3)
        own_server.hold()
        time.sleep(1.5)
        own_server.let_go()
        names = Counter(event.name for event in events_of(followed.result(timeout=60).text))
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


def test_a_replica_that_shuts_down_finishes_what_it_has_time_for(shared, until_ready, until, replica):
    with TestClient(create_app(shared)) as leaving:
        until_ready(leaving.get)
        replica.app.state.draining.begin()  # so that the other one claims
        time.sleep(0.5)
        id = leaving.post("/jobs", json={**LONG, "num_images": 2, "num_inference_steps": 150}).json()["id"]
        until(leaving, id, is_running)
        behind = leaving.post("/jobs", json=LONG).json()["id"]
    assert replica.get(f"/jobs/{id}").json()["state"] == "done"
    left = replica.get(f"/jobs/{behind}").json()
    assert (left["state"], left["attempts"]) == ("waiting", 0)
    replica.delete(f"/jobs/{behind}")


def test_a_replica_that_has_no_time_left_gives_its_job_to_another(shared, until_ready, until, replica):
    with TestClient(create_app(shared)) as leaving:
        until_ready(leaving.get)
        replica.app.state.draining.begin()
        time.sleep(0.5)
        id = leaving.post("/jobs", json=LONG).json()["id"]
        until(leaving, id, is_running)
        leaving.app.state.draining.cut_short()
    given_back = replica.get(f"/jobs/{id}").json()
    assert (given_back["state"], given_back["attempts"], given_back["position"]) == ("waiting", 0, 1)
    replica.delete(f"/jobs/{id}")


def test_a_server_that_is_told_to_stop_lets_go_of_who_follows_and_of_what_it_makes(
    shared, until_ready, until, replica
):
    replica.app.state.draining.begin()
    server = Server(create_app(shared))
    server.config.port = 0
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    until_ready(lambda path: httpx2.get(url + path))
    id = httpx2.post(f"{url}/jobs", json=LONG).json()["id"]
    until(replica, id, is_running)
    with httpx2.stream("GET", f"{url}/jobs/{id}/events", timeout=60) as followed:
        server.handle_exit(signal.SIGINT, None)
        assert not [event for event in events_of(followed.read().decode()) if event.name in ("done", "error")]
    # Within the grace period the job is made; a second Ctrl-C ends it.
    time.sleep(0.5)
    assert replica.get(f"/jobs/{id}").json()["state"] == "running"
    assert thread.is_alive()
    server.handle_exit(signal.SIGINT, None)
    thread.join(timeout=10)
    assert not thread.is_alive()
    left = replica.get(f"/jobs/{id}").json()
    assert (left["state"], left["attempts"]) == ("waiting", 0)
    replica.delete(f"/jobs/{id}")
