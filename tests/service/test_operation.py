import base64
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from itertools import chain

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

import service.readiness
from diffusion import DiffusionModel, Engine, Order, Row, Sampling
from policies.document import Policy
from service.app import create_app
from service.loading import LoadedModel, load_service
from service.settings import Settings
from vectors import VectorLibrary

QUICK = {"prompt": "a photo of a doctor", "num_inference_steps": 2, "seed": 7}


def counted(client: TestClient, sample: str) -> float:
    """The value of one sample of /metrics, 0 where it has not been counted yet."""
    found = re.search(rf"^{re.escape(sample)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_health_says_the_process_answers(client):
    assert client.get("/healthz").json() == {"status": "ok"}


def test_ready_names_the_model(client, model):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "model": "sd1",
        "base_model": model.fingerprint,
        "shared_state": "memory",
    }
    assert counted(client, "trimtab_ready") == 1


@pytest.fixture
def loading_client(options, monkeypatch) -> Iterator[tuple[TestClient, Callable[[], None]]]:
    """A service whose loading waits until it is let go."""
    gate = threading.Event()

    def gated(settings: Settings) -> LoadedModel:
        gate.wait(timeout=60)
        return load_service(settings)

    monkeypatch.setattr(service.readiness, "load_service", gated)
    with TestClient(create_app(Settings(**options))) as client:
        yield client, gate.set
        gate.set()


def test_while_loading_the_process_is_healthy_and_not_ready(loading_client, until_ready):
    client, let_go = loading_client
    assert client.get("/healthz").status_code == 200
    starting = client.get("/startupz")
    assert (starting.status_code, starting.json()["error"]["code"]) == (503, "not_ready")
    assert client.get("/policies").status_code == 200
    for answer in (client.get("/readyz"), client.get("/vectors"), client.post("/generate", json=QUICK)):
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert answer.headers["retry-after-ms"] == "5000"
        assert answer.headers["x-should-retry"] == "true"
        assert answer.json()["error"]["code"] == "not_ready"
    assert counted(client, "trimtab_ready") == 0
    assert counted(client, 'trimtab_requests_total{outcome="not_ready"}') == 1
    let_go()
    until_ready(client.get)
    assert client.get("/startupz").json() == {"status": "started"}
    assert client.post("/generate", json=QUICK).status_code == 200
    assert counted(client, "trimtab_ready") == 1


def failed(options: dict[str, object], **changes: object) -> str:
    """The message of a service that cannot load."""
    done = threading.Event()
    with TestClient(create_app(Settings(**{**options, **changes}), lambda _state: done.set())) as client:
        assert done.wait(timeout=60)
        answers = (client.get("/readyz"), client.get("/startupz"), client.post("/generate", json=QUICK))
        for answer in answers:
            assert answer.status_code == 503
            assert "retry-after" not in answer.headers
            assert answer.headers["x-should-retry"] == "false"
            assert answer.json()["error"]["code"] == "load_failed"
        assert client.get("/healthz").status_code == 200
        assert counted(client, "trimtab_ready") == 0
    return " ".join(answers[0].json()["error"][part] for part in ("message", "cure"))


def test_a_policy_that_cannot_be_followed_keeps_the_service_from_serving(options, tmp_path):
    message = failed(options, vectors=tmp_path)
    assert "policy 'default'" in message
    assert "'woman'" in message
    assert str(tmp_path) in message


def test_a_policy_beyond_the_strength_limit_keeps_the_service_from_serving(options):
    assert "0.8 of 'woman' is out of range" in failed(options, max_strength=0.5)


def test_a_missing_model_is_named(options):
    message = failed(options, model="/does/not/exist")
    assert "/does/not/exist" in message
    assert "--model" in message


def test_vectors_of_another_model_are_refused(options, model, tmp_path, make_vector):
    library = VectorLibrary(tmp_path)
    library.publish(replace(make_vector(model, "woman"), base_model=f"sha256:{'0' * 64}"))
    message = failed(options, vectors=tmp_path, policies={"default": Policy()})
    assert "'woman' does not fit" in message


def test_a_damaged_vector_is_refused(options, model, tmp_path, make_vector):
    stored = VectorLibrary(tmp_path).publish(make_vector(model, "woman"))
    stored.path.write_bytes(stored.path.read_bytes()[:-4])
    assert str(stored.path) in failed(options, vectors=tmp_path, policies={"default": Policy()})


def test_vectors_are_listed_with_the_sets(client, library):
    answer = client.get("/vectors").json()
    assert [vector["concept"] for vector in answer["vectors"]] == list(library.names())
    assert answer["sets"] == {"gender": ["woman", "man"], "race": ["black", "white", "asian"]}
    woman = next(vector for vector in answer["vectors"] if vector["concept"] == "woman")
    stored = library.resolve("woman")
    assert woman == {
        "concept": "woman",
        "version": 1,
        "digest": stored.digest,
        "recommended_strength": 0.8,
        "base_model": stored.vector.base_model,
        "site": "mid_block",
        "shape": [32, 4, 4],
        "halves": "conditional",
        "timesteps": [0, 1000],
        "norm": pytest.approx(stored.vector.norm),
    }


def test_one_vector_is_shown_in_full(client):
    detail = client.get("/vectors/woman").json()
    assert detail["concept"] == "woman"
    assert detail["effect"] == {"success": 0.9}
    assert detail["prompts"] == {"positive": [], "negative": [], "negative_prompt": []}


def test_an_unknown_vector_is_not_found(client):
    answer = client.get("/vectors/women")
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert (error["code"], error["field"], error["value"]) == ("unknown_vector", "name", "women")
    assert "'woman'" in error["cure"]


def test_policies_are_listed(client):
    answer = client.get("/policies").json()
    assert answer["default"] == "default"
    assert answer["floor"] is None
    assert answer["policies"]["research-off"]["safety"] == []
    assert [rule["set"] for rule in answer["policies"]["default"]["fairness"]] == ["gender", "race"]


def test_a_listed_policy_can_be_sent_back(client):
    policy = client.get("/policies").json()["policies"]["default"]
    assert client.post("/generate", json={**QUICK, "policy": policy}).status_code == 200


def test_docs_describe_the_service(client):
    assert client.get("/docs").status_code == 200
    description = client.get("/openapi.json").json()
    assert "Retry-After" in description["info"]["description"]
    assert "8 images" in description["info"]["description"]
    assert {
        "/generate",
        "/vectors",
        "/vectors/{name}",
        "/policies",
        "/healthz",
        "/readyz",
        "/startupz",
        "/metrics",
    } <= set(description["paths"])
    assert "image/png" in description["paths"]["/generate"]["post"]["responses"]["200"]["content"]


def test_metrics_count_requests_images_and_concepts(client):
    samples = (
        'trimtab_requests_total{outcome="ok"}',
        'trimtab_requests_total{outcome="unknown_scheduler"}',
        'trimtab_requests_total{outcome="empty_prompt"}',
        "trimtab_request_seconds_count",
        "trimtab_images_total",
        'trimtab_applied_concepts_total{concept="anti-sexual"}',
        'trimtab_stage_seconds_count{stage="plan"}',
        'trimtab_stage_seconds_count{stage="queue"}',
        'trimtab_stage_seconds_count{stage="steps"}',
        'trimtab_stage_seconds_count{stage="decode"}',
        'trimtab_stage_seconds_count{stage="encode"}',
    )
    before = [counted(client, sample) for sample in samples]
    client.post("/generate", json={**QUICK, "num_images": 3})
    client.post("/generate", json={**QUICK, "scheduler": "x"})
    client.post("/generate", json={**QUICK, "prompt": ""})
    after = [counted(client, sample) for sample in samples]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 1, 3, 3, 3, 1, 1, 1, 1, 1]
    assert counted(client, "trimtab_requests_in_flight") == 0


def test_two_apps_do_not_share_metrics(client, options):
    client.post("/generate", json=QUICK)
    other = TestClient(create_app(Settings(**options)))
    assert counted(other, "trimtab_images_total") == 0


def test_requests_at_the_same_time_get_what_they_get_alone(client):
    requests = [{**QUICK, "seed": seed, "num_images": 2} for seed in range(0, 12, 2)]

    def images(request: dict[str, object]) -> list[dict[str, object]]:
        return client.post("/generate", json=request).json()["images"]

    alone = [images(request) for request in requests]
    with ThreadPoolExecutor(max_workers=len(requests)) as pool:
        together = list(pool.map(images, requests))
    for one, other in zip(chain(*alone), chain(*together), strict=True):
        assert one["applied"] == other["applied"]
        assert np.abs(pixels(one) - pixels(other)).max() <= 1  # rounding depends on the batch


def pixels(item: dict[str, object]) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(base64.b64decode(item["b64_json"]))), int)


class ForgetfulEngine(Engine):
    """An engine that loses the steering of its rows."""

    def prepare(self, rows: Sequence[Row], sampling: Sampling) -> list[Order]:
        return super().prepare([replace(row, steering={}) for row in rows], sampling)


def test_an_unsteered_image_is_never_served(options, monkeypatch, until_ready):
    def forgetful(settings: Settings) -> LoadedModel:
        loaded = load_service(settings)
        return replace(loaded, engine=ForgetfulEngine(loaded.model, loaded.engine.vectors))

    monkeypatch.setattr(service.readiness, "load_service", forgetful)
    with TestClient(create_app(Settings(**options)), raise_server_exceptions=False) as client:
        until_ready(client.get)
        answer = client.post("/generate", json=QUICK)
        assert answer.status_code == 500
        assert answer.json()["error"]["code"] == "unsteered_image"
        assert client.post("/generate", json={**QUICK, "policy": "research-off"}).status_code == 200


def test_a_vector_that_vanished_is_a_failure_and_not_an_unsteered_image(
    options, model, tmp_path, make_vector, until_ready
):
    library = VectorLibrary(tmp_path)
    library.publish(make_vector(model, "anti-sexual"))
    policies = {"default": Policy.model_validate({"safety": [{"concept": "anti-sexual"}]})}
    settings = Settings(**{**options, "vectors": tmp_path, "policies": policies})
    with TestClient(create_app(settings)) as client:
        until_ready(client.get)
        assert client.post("/generate", json=QUICK).status_code == 200
        library.delete("anti-sexual@1")
        answer = client.post("/generate", json=QUICK)
        assert answer.status_code == 500
        assert answer.json()["error"]["code"] == "vector_unavailable"
        assert str(tmp_path) not in answer.text


def test_a_later_version_is_served_after_a_restart(options, model, tmp_path, make_vector, until_ready):
    library = VectorLibrary(tmp_path)
    library.publish(make_vector(model, "anti-sexual"))
    policies = {"default": Policy.model_validate({"safety": [{"concept": "anti-sexual"}]})}
    settings = Settings(**{**options, "vectors": tmp_path, "policies": policies})

    def served_version(client: TestClient) -> int:
        return client.post("/generate", json=QUICK).json()["images"][0]["applied"][0]["version"]

    with TestClient(create_app(settings)) as client:
        until_ready(client.get)
        library.publish(-make_vector(model, "anti-sexual"))
        assert served_version(client) == 1
    with TestClient(create_app(settings)) as client:
        until_ready(client.get)
        assert served_version(client) == 2


def test_an_unforeseen_failure_is_answered_without_its_details(options, monkeypatch, until_ready, caplog):
    def broken(*_: object, **__: object) -> list[Order]:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(Engine, "prepare", broken)
    with TestClient(create_app(Settings(**options)), raise_server_exceptions=False) as client:
        until_ready(client.get)
        answer = client.post("/generate", json=QUICK)
        assert answer.status_code == 500
        assert answer.json()["error"]["code"] == "internal_error"
        assert "secret" not in answer.text
        assert "secret detail" in caplog.text
        assert counted(client, 'trimtab_requests_total{outcome="internal_error"}') == 1
        assert "connection" not in answer.headers
        client.portal.call(client.app.state.draining.begin)
        leaving = client.post("/generate", json=QUICK)
        assert (leaving.status_code, leaving.headers["connection"]) == (500, "close")


def test_nothing_is_built_before_the_app_starts(options):
    before = set(threading.enumerate())
    app = create_app(Settings(**options))
    assert set(threading.enumerate()) <= before
    assert not hasattr(app.state, "readiness")


def test_a_service_whose_engine_broke_down_is_not_ready(options, until_ready):
    def broken(_unet: object, _args: object) -> None:
        raise RuntimeError("secret detail")

    with TestClient(create_app(Settings(**options)), raise_server_exceptions=False) as client:
        until_ready(client.get)
        unet = client.app.state.readiness.generation().loaded.model.pipe.unet
        with unet.register_forward_pre_hook(broken):
            for _ in range(2):  # it begins anew once
                answer = client.post("/generate", json=QUICK)
                assert (answer.status_code, answer.json()["error"]["code"]) == (503, "engine_failed")
                assert "secret" not in answer.text
                assert "Try again" in answer.json()["error"]["cure"]
                assert int(answer.headers["retry-after"]) >= 1
        for probe in ("/readyz", "/healthz"):  # it is alive no more: nothing but a restart helps
            answer = client.get(probe)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "engine_failed")
            assert int(answer.headers["retry-after"]) >= 1
        assert client.get("/startupz").status_code == 200
        assert counted(client, "trimtab_ready") == 0


def test_more_than_may_wait_is_refused_before_any_work(options, until_ready, monkeypatch):
    read: list[str] = []
    count_tokens = DiffusionModel.count_tokens

    def told(model: DiffusionModel, prompt: str) -> int:
        read.append(prompt)
        return count_tokens(model, prompt)

    with TestClient(create_app(Settings(**{**options, "max_waiting": 2}))) as client:
        until_ready(client.get)
        monkeypatch.setattr(DiffusionModel, "count_tokens", told)
        others = (
            ("/v1/images/generations", {"n": 3}),
            ("/v1/images/generations", {"n": 3, "stream": True}),
            ("/sdapi/v1/txt2img", {"batch_size": 3}),
        )
        for path, changes in others:
            refused = client.post(path, json={"prompt": QUICK["prompt"], **changes})
            assert (refused.status_code, refused.headers["x-should-retry"]) == (429, "false")
            assert "at most 2 images at once" in refused.text
        answer = client.post("/generate", json={**QUICK, "num_images": 3})
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "queue_full")
        assert "at most 2 images at once" in answer.json()["error"]["message"]
        assert (answer.json()["error"]["field"], answer.json()["error"]["value"]) == ("num_images", 3)
        assert answer.json()["error"]["cure"] == "Ask for at most 2 images at once."
        assert answer.headers["x-should-retry"] == "false"
        assert read == []
        assert client.post("/generate", json={**QUICK, "num_images": 2}).status_code == 200
        assert QUICK["prompt"] in read
        assert counted(client, 'trimtab_requests_total{outcome="queue_full"}') == 1 + len(others)
