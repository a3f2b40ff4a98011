"""What several services on one Redis publish and retire: all of them serve it, and no request fails for it."""

import asyncio
import base64
import io
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import redis
from beats import beating
from fastapi.testclient import TestClient
from PIL import Image
from pydantic import SecretStr

import service.readiness
import service.watcher
from diffusion import Row, Sampling
from policies.document import Policy
from service.app import create_app
from service.generation import Generation
from service.planned import Planned
from service.schemas import GenerateRequest
from service.settings import Settings
from service.state.shared import open_state
from service.uploads import content_digest
from vectors.file_format import content_of

QUICK = {
    "prompt": "a photo of a doctor",
    "num_inference_steps": 2,
    "seed": 7,
    "policy": {"safety": [{"concept": "tall"}]},
}


@pytest.fixture
def file(model, make_vector) -> Callable[[float], bytes]:
    """Makes the file of a vector "tall", different by its factor."""
    # Written twice, a file is not the same twice: its metadata have no order.
    return cache(
        lambda factor: content_of(replace(make_vector(model, "tall") * factor, recommended_strength=0.8))
    )


Replicas = list[TestClient]


@pytest.fixture
def settings(options: Mapping[str, object], own_server) -> Settings:
    """Of replicas whose policies need no vector."""
    return Settings(**options, redis_url=own_server.url, policies={"default": {}})


@contextmanager
def two(settings: Settings, until_ready) -> Iterator[Replicas]:
    with ExitStack() as running:
        clients = []
        for _ in range(2):  # one after another: two models cannot be loaded at once in one process
            clients.append(running.enter_context(TestClient(create_app(settings))))
            until_ready(clients[-1].get)
        yield clients


@pytest.fixture
def replicas(settings: Settings, until_ready) -> Iterator[Replicas]:
    with two(settings, until_ready) as clients:
        yield clients


def publish(client: TestClient, content: bytes) -> int:
    answer = client.post("/admin/vectors", content=content)
    assert answer.status_code == 201, answer.text
    return answer.json()["version"]


def served(client: TestClient, concept: str) -> int | None:
    answer = client.get(f"/vectors/{concept}")
    return answer.json()["version"] if answer.status_code == 200 else None


def until(client: TestClient, concept: str, version: int | None, timeout_s: float = 60) -> None:
    """Wait until a replica serves that version."""
    started = time.monotonic()
    while served(client, concept) != version:
        assert time.monotonic() - started < timeout_s, f"{concept}@{version} is not served"
        time.sleep(0.01)


def states(client: TestClient) -> dict[int, tuple[str, str | None]]:
    """The versions of "tall" as a replica knows them."""
    listed = client.get("/admin/vectors").json()["vectors"]
    return {one["version"]: (one["state"], one["problem"]) for one in listed if one["concept"] == "tall"}


def generation_of(client: TestClient) -> Generation:
    return client.app.state.readiness.generation()


def test_changes_reach_the_other_replica_within_a_second_under_load_and_no_request_fails(replicas, file):
    one, other = replicas
    publish(one, file(1.0))
    until(other, "tall", 1)
    stop = threading.Event()

    def load(client: TestClient) -> list[tuple[str, int, str, np.ndarray]]:
        seen = []
        while not stop.is_set():
            answer = client.post("/generate", json=QUICK)
            assert answer.status_code == 200, answer.text
            (image,) = answer.json()["images"]
            (vector,) = image["applied"]
            picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(image["b64_json"]))), int)
            seen.append((vector["concept"], vector["version"], vector["digest"], picture))
        return seen

    waited = []
    with ThreadPoolExecutor(2) as pool, beating() as beats:
        loads = [pool.submit(load, client) for client in replicas]
        try:
            for change in range(6):
                here, there = replicas[change % 2], replicas[(change + 1) % 2]
                if change in (2, 4):
                    retired = here.delete(f"/admin/vectors/tall/{served(here, 'tall')}").json()
                    version = int(retired["served"].removeprefix("tall@"))
                else:
                    version = publish(here, file(1.5 + change / 2))
                changed_s = beats.now_s
                until(there, "tall", version)
                waited.append(beats.now_s - changed_s)
        finally:
            stop.set()
        images = [image for done in loads for image in done.result()]

    assert sorted(waited)[len(waited) // 2] < 1, waited
    assert max(waited) < 3, waited
    # Every image was made with the version that its record names, and with nothing of another.
    digests = {version: digest for _, version, digest, _ in images}
    assert len(digests) == len(set(digests.values())) >= 3
    engine = generation_of(one).loaded.engine
    for version, digest in digests.items():
        row = Row(QUICK["prompt"], 7, "", {f"tall@{version}": 0.8})
        (made,) = engine.generate([row], Sampling(num_inference_steps=2, guidance_scale=5.0))
        expected = np.asarray(made.image, int)
        assert made.applied[0].digest == digest
        pictures = [picture for _, of, its, picture in images if of == version and its == digest]
        assert sum(of == version for _, of, _, _ in images) == len(pictures)
        assert max(abs(picture - expected).max() for picture in pictures) <= 2
        others = [picture for _, of, _, picture in images if of != version]
        assert min(abs(picture - expected).max() for picture in others) > 2


def test_a_replica_that_starts_later_serves_what_was_published_and_retired_before(
    replicas, settings, file, until_ready
):
    one, _ = replicas
    publish(one, file(1.0))
    publish(one, file(2.0))
    assert one.delete("/admin/vectors/tall/2").json() == {"retired": ["tall@2"], "served": "tall@1"}
    assert one.delete("/admin/vectors/black").json() == {"retired": ["black@1"], "served": None}
    with TestClient(create_app(settings)) as late:
        until_ready(late.get)
        assert (served(late, "tall"), served(late, "black")) == (1, None)
        assert late.get("/admin/vectors").json() == one.get("/admin/vectors").json()


def test_a_replica_makes_what_another_has_planned_with_a_version_it_never_served(replicas, file):
    one, other = replicas
    request = GenerateRequest.model_validate(QUICK)
    publish(one, file(1.0))
    planned = asyncio.run(generation_of(one).plan(request))
    one.delete("/admin/vectors/tall")
    made_here = asyncio.run(generation_of(one).make(planned))
    until(other, "tall", None)
    made_there = asyncio.run(generation_of(other).make(Planned.from_json(planned.to_json())))
    (here,), (there,) = made_here.images, made_there.images
    assert there.record == here.record
    assert there.record.applied[0].version == 1
    assert np.array_equal(np.asarray(here.image), np.asarray(there.image))


def test_a_file_that_was_exchanged_in_the_store_is_not_served_until_it_is_right(
    replicas, settings, file, monkeypatch
):
    monkeypatch.setattr(service.watcher, "TRY_AGAIN_S", 0.2)
    one, other = replicas
    publish(one, file(1.0))
    store = open_state(settings.redis_url)
    digest = content_digest(file(2.0))
    store.blobs.put(digest, file(3.0))
    store.shelf.publish("tall", digest)
    until_known = time.monotonic() + 60
    while len(states(other)) < 2:
        assert time.monotonic() < until_known
        time.sleep(0.01)
    assert {version: state for version, (state, _) in states(other).items()} == {1: "served", 2: "unserved"}
    assert "is not the file that was published" in states(other)[2][1]
    assert served(other, "tall") == 1
    store.blobs.put(digest, file(2.0))
    until(other, "tall", 2)
    until(one, "tall", 2)
    store.close()


def test_without_the_store_replicas_serve_what_they_have_and_change_nothing(replicas, own_server, file):
    one, other = replicas
    publish(one, file(1.0))
    until(other, "tall", 1)
    own_server.kill()
    for client in replicas:
        answer = client.post("/generate", json=QUICK)
        assert answer.status_code == 200, answer.text
        assert answer.json()["images"][0]["applied"][0]["version"] == 1
    refused = one.post("/admin/vectors", content=file(2.0))
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "state_unavailable")
    assert int(refused.headers["retry-after"]) > 0
    assert one.delete("/admin/vectors/tall").status_code == 503
    assert one.post("/admin/policies/reload").status_code == 503
    assert served(one, "tall") == 1


@pytest.fixture
def held(settings: Settings, own_server, file) -> Settings:
    """Settings of replicas whose store holds a vector, and does not answer."""
    store = open_state(settings.redis_url)
    digest = content_digest(file(1.0))
    store.blobs.put(digest, file(1.0))
    store.shelf.publish("tall", digest)
    store.close()
    own_server.hold()
    return settings.model_copy(update={"redis_url": SecretStr(f"{own_server.url}?socket_timeout=0.2")})


def test_a_replica_that_starts_without_the_store_serves_its_library_and_then_the_rest(
    held, own_server, until_ready
):
    with TestClient(create_app(held)) as client:
        until_ready(client.get)
        assert served(client, "tall") is None
        assert client.get("/admin/vectors").json()["revision"] is None
        assert client.post(
            "/generate", json={**QUICK, "policy": {"safety": [{"concept": "woman"}]}}
        ).is_success
        own_server.let_go()
        until(client, "tall", 1)


def test_a_replica_that_starts_without_the_store_is_not_ready_where_a_policy_needs_it(
    held, own_server, until_ready, monkeypatch, caplog
):
    monkeypatch.setattr(service.readiness, "RETRY_AFTER_S", 1)
    policy = Policy.model_validate({"name": "default", "safety": [{"concept": "tall"}]})
    with TestClient(create_app(held.model_copy(update={"policies": {"default": policy}}))) as client:
        deadline = time.monotonic() + 60
        while "not ready until it is" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert client.get("/readyz").json()["error"]["code"] == "not_ready"
        own_server.let_go()
        until_ready(client.get)
        assert served(client, "tall") == 1


def test_a_store_that_comes_back_empty_is_told_again_what_it_held(
    replicas, settings, own_server, file, until_ready
):
    one, other = replicas
    publish(one, file(1.0))
    publish(one, file(2.0))
    one.delete("/admin/vectors/tall/2")
    one.delete("/admin/vectors/asian")
    until(other, "asian", None)
    listed = one.get("/admin/vectors").json()["vectors"]
    own_server.kill()
    own_server.start()
    deadline = time.monotonic() + 60
    with redis.Redis.from_url(own_server.url) as store:
        while store.hlen("trimtab:shelf:entries") < 3:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    with TestClient(create_app(settings)) as late:
        until_ready(late.get)
        for client in (one, other, late):
            assert client.get("/admin/vectors").json()["vectors"] == listed
    assert publish(other, file(3.0)) == 3
    until(one, "tall", 3)


def test_policies_are_reloaded_by_all_replicas(options, own_server, tmp_path, until_ready):
    folder = tmp_path / "policies"
    folder.mkdir()
    policy = folder / "default.yaml"
    policy.write_text("name: default\nversion: 1\n")
    settings = Settings(**options, redis_url=own_server.url, policy_folder=folder)
    with two(settings, until_ready) as (one, other):
        policy.write_text("name: default\nversion: 2\n")
        assert one.post("/admin/policies/reload").status_code == 200
        with beating() as beats:
            while other.get("/policies").json()["policies"]["default"]["version"] != 2:
                assert beats.now_s < 2
                time.sleep(0.01)
        policy.write_text("name: default\nversion: 3\nsafety: [{concept: unheard-of}]\n")
        assert one.post("/admin/policies/reload").status_code == 409
        assert other.get("/policies").json()["policies"]["default"]["version"] == 2
