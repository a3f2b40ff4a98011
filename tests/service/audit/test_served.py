"""Every image of every route has its line, and what has none is not served."""

import base64
import io
import json
import re
import time
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient
from jobs_over_http import events_of, has_ended
from PIL import Image
from redis_server import RedisServer

from policies.responsible_phrases import shipped_phrases
from service.app import create_app
from service.audit.chain import text_digest
from service.audit.reading import open_chains
from service.audit.record import image_digest
from service.audit.replay import lines_to_replay, replay
from service.audit.verify import verify
from service.errors import NotInLogError, ReplayError
from service.settings import Settings

PROMPT = "a photo of a doctor"
ASKED = {"prompt": PROMPT, "num_inference_steps": 2, "seed": 7}
LOSSLESS_WEBP = {"Accept": "image/webp"}


def digest_of(file: bytes) -> str:
    with Image.open(io.BytesIO(file)) as image:
        return image_digest(image)


def in_base64(items):
    return [base64.b64decode(item) for item in items]


def by_json(client):
    answer = client.post("/generate", json={**ASKED, "num_images": 2})
    return answer, lambda: in_base64(item["b64_json"] for item in answer.json()["images"])


def by_png(client):
    answer = client.post("/generate", json=ASKED, headers={"Accept": "image/png"})
    return answer, lambda: [answer.content]


def by_stream(client):
    answer = client.post("/generate", json={**ASKED, "num_images": 2, "stream": True, "preview_every": 1})
    return answer, lambda: in_base64(
        event.data["b64_json"] for event in events_of(answer.text) if event.name == "image"
    )


def by_openai(client):
    answer = client.post("/v1/images/generations", json={**ASKED, "n": 2})
    return answer, lambda: in_base64(item["b64_json"] for item in answer.json()["data"])


def by_openai_address(client):
    answer = client.post("/v1/images/generations", json={**ASKED, "response_format": "url"})
    return answer, lambda: [
        client.get(httpx2.URL(item["url"]).path).content for item in answer.json()["data"]
    ]


def by_openai_stream(client):
    answer = client.post("/v1/images/generations", json={**ASKED, "stream": True, "partial_images": 1})
    return answer, lambda: in_base64(
        event.data["b64_json"]
        for event in events_of(answer.text)
        if event.name == "image_generation.completed"
    )


def by_huggingface(client):
    body = {"inputs": PROMPT, "parameters": {"num_inference_steps": 2, "seed": 7}}
    answer = client.post("/hf/text-to-image", json=body, headers=LOSSLESS_WEBP)
    return answer, lambda: [answer.content]


def by_webui(client):
    answer = client.post("/sdapi/v1/txt2img", json={"prompt": PROMPT, "steps": 2, "seed": 7, "n_iter": 2})
    return answer, lambda: in_base64(answer.json()["images"])


ROUTES = [
    by_json,
    by_png,
    by_stream,
    by_openai,
    by_openai_address,
    by_openai_stream,
    by_huggingface,
    by_webui,
]


def job_done(client, **changes):
    id = client.post("/jobs", json={**ASKED, **changes}).json()["id"]
    deadline = time.monotonic() + 120
    while not has_ended(job := client.get(f"/jobs/{id}").json()):
        assert time.monotonic() < deadline, job
        time.sleep(0.02)
    return job


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("audit") / "audit.jsonl"


@pytest.fixture(scope="module")
def client(served, log):
    with served(log) as client:
        yield client


@pytest.fixture
def replayed(client, log):
    """Replays an image with the very model and vectors that served it."""

    def make(id, **options):
        entry, request = lines_to_replay(open_chains(str(log), Settings()), id)
        loaded = client.app.state.readiness.generation().loaded
        return replay(entry, request, loaded, shipped_phrases(), **options)

    return make


@pytest.mark.parametrize("by", ROUTES)
def test_each_image_has_one_line_with_its_pixels_and_can_be_made_again(client, log, logged, replayed, by):
    before = len(logged(log).images)
    answer, pictures = by(client)
    assert answer.status_code == 200
    files = pictures()
    entries = logged(log).images[before:]
    assert [entry.image_digest for entry in entries] == [digest_of(file) for file in files]
    assert len(entries) == len(files) > 0
    for number, entry in enumerate(entries):
        assert (entry.image, entry.images, entry.attempt) == (number, len(files), 1)
        assert (entry.prompts.prompt.text, entry.sampling.seed) == (PROMPT, 7 + number)
        assert entry.outcome == "served"
        assert replayed(entry.id).is_equal
    if "x-trimtab-id" in answer.headers:
        assert {entry.request for entry in entries} == {answer.headers["x-trimtab-id"]}


def test_a_jobs_images_have_their_lines_under_its_id(client, log, logged, replayed):
    job = job_done(client, num_images=2)
    files = in_base64(item["b64_json"] for item in job["answer"]["images"])
    entries = logged(log, request=job["id"]).images
    assert [entry.image_digest for entry in entries] == [digest_of(file) for file in files]
    assert all(replayed(entry.id).is_equal for entry in entries)


def test_a_line_says_what_was_applied_and_why(client, log, logged, library):
    policy = {
        "name": "own",
        "version": 3,
        "fairness": [{"set": "gender", "target": {"woman": 1, "man": 0}}],
        "safety": [{"concept": "anti-sexual", "by": "both", "strength": 0.5}],
    }
    id = client.post("/generate", json={**ASKED, "policy": policy}).headers["x-trimtab-id"]
    (entry,) = logged(log, request=id).images
    woman, safety = entry.applied
    assert (woman.reference, woman.digest) == ("woman@1", library.resolve("woman@1").digest)
    assert woman.reason.startswith("fairness: one of gender with a share of 1")
    assert (safety.reference, safety.strength) == ("anti-sexual@1", 0.5)
    assert [(one.concept, one.words) for one in entry.averted] == [("anti-sexual", "sexual")]
    assert (entry.policy, entry.policy_version) == (None, 3)
    assert entry.base_model == client.app.state.readiness.generation().loaded.model.fingerprint


def test_an_answer_that_is_given_again_has_one_line(client, log, logged):
    before = len(logged(log).images)
    answers = [
        client.post("/generate", json=ASKED, headers={"Idempotency-Key": "audited-once"}) for _ in range(2)
    ]
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert answers[0].content == answers[1].content
    assert len(logged(log).images) == before + 1


def test_what_is_refused_has_no_line(client, log, logged):
    before = len(logged(log).images)
    assert client.post("/generate", json={**ASKED, "policy": "defalt"}).status_code == 422
    lcm = {**ASKED, "num_inference_steps": 140, "scheduler": "lcm"}
    assert client.post("/generate", json=lcm).status_code == 422
    assert len(logged(log).images) == before


def test_the_log_is_found_by_all_that_is_asked(client, log, logged):
    job = job_done(client, policy={"fairness": [{"set": "gender", "target": {"woman": 1, "man": 0}}]})
    (entry,) = logged(log, request=job["id"][:8]).images
    everything = len(logged(log).images)

    def count(**wanted):
        return len(logged(log, request=job["id"], **wanted).images)

    assert count() == count(concept="woman") == count(tenant="") == count(screen="none") == 1
    assert count(policy=entry.policy_digest[:19]) == count(outcome="served") == 1
    assert count(since=entry.time) == count(image_digest=entry.image_digest) == 1
    assert not any(
        (
            count(concept="man"),
            count(tenant="acme"),
            count(policy="default"),
            count(policy="sha256:"),
            count(outcome="withheld"),
            count(until=entry.time),
            count(screen="passed"),
        )
    )
    assert len(logged(log, until=entry.time).images) < everything


def test_the_whole_log_is_sound(client, log):
    job_done(client)
    (chain,) = open_chains(str(log), Settings())
    assert verify(chain.lines()).is_sound


def test_a_replay_says_what_differs(client, log, logged, replayed):
    id = client.post("/generate", json=ASKED).headers["x-trimtab-id"]
    (entry,) = logged(log, request=id).images
    loaded = client.app.state.readiness.generation().loaded
    made_by = entry.made_by.model_copy(update={"torch": "1.0", "device": "cuda:0"})
    sampling = entry.sampling.model_copy(update={"seed": 8})
    other = entry.model_copy(update={"made_by": made_by, "sampling": sampling})
    result = replay(other, [other], loaded, shipped_phrases())
    assert not result.is_equal
    assert [one.split(":")[0] for one in result.differences] == ["torch", "device"]
    with pytest.raises(ReplayError, match="base model"):
        replay(entry.model_copy(update={"base_model": "sha256:0"}), [entry], loaded, shipped_phrases())
    vector = entry.applied[0].model_copy(update={"digest": "sha256:0"})
    with pytest.raises(ReplayError, match="--vectors"):
        replay(entry, [entry.model_copy(update={"applied": (vector,)})], loaded, shipped_phrases())


def test_an_image_is_named_by_its_request_and_number(client, log, replayed):
    id = client.post("/generate", json={**ASKED, "num_images": 2}).headers["x-trimtab-id"]
    assert replayed(f"{id[:10]}:1").entry.image == 1
    for bad, said in (
        (id, f"{id}:0, {id}:1"),
        (f"{id}:2", "names no one"),
        ("nobody", "query"),
        ("", "query"),
    ):
        with pytest.raises(NotInLogError, match=said):
            replayed(bad)


@pytest.mark.parametrize("kept", ["digest", "none"])
def test_prompts_are_kept_as_the_configuration_says(served, tmp_path, logged, kept):
    path = tmp_path / "audit.jsonl"
    secret = "a shy doctor, no blood"
    with served(path, audit_prompts=kept) as client:
        asked = {
            **ASKED,
            "prompt": secret,
            "negative_prompt": "zebra",
            "policy": {"phrases": "steer-and-remove"},
        }
        assert client.post("/generate", json=asked).status_code == 200
        text = path.read_text()
        assert not [word for word in ("shy", "doctor", "blood", "zebra") if word in text]
        (entry,) = logged(path).images
        said = entry.prompts
        digests = (said.prompt.digest, said.model_prompt.digest, said.negative_prompt.digest)
        if kept == "none":
            assert digests == (None, None, None)
        else:
            assert digests == (
                text_digest(secret),
                text_digest("a shy doctor"),
                text_digest("zebra"),
            )
        assert [one.reason for one in entry.applied] == ["safety"]
        loaded = client.app.state.readiness.generation().loaded

        def again(**texts):
            return replay(entry, [entry], loaded, shipped_phrases(), **texts)

        with pytest.raises(ReplayError, match="--prompt"):
            again()
        if kept == "digest":
            with pytest.raises(ReplayError, match="--negative-prompt"):
                again(prompt=secret)
            with pytest.raises(ReplayError, match="not the one of then"):
                again(prompt="a photo of a nurse", negative_prompt="zebra")
            assert again(prompt=secret, negative_prompt="zebra").is_equal
        else:
            assert again(prompt="a shy doctor", negative_prompt="zebra").is_equal
            assert not again(prompt="a photo of a nurse", negative_prompt="zebra").is_equal


def test_a_full_disk_stops_generation_on_every_route(served):
    with served("/dev/full") as client:
        for by in ROUTES:
            answer, _ = by(client)
            assert answer.status_code == 503, by
            assert "audit_unavailable" in answer.text
            assert "audit log cannot be written" in answer.text
            assert "b64_json" not in answer.text
            assert "/dev/full" not in answer.text
            assert int(answer.headers["retry-after"]) > 0
        # A job waits until there is a replica that can write.
        id = client.post("/jobs", json=ASKED).json()["id"]
        time.sleep(1)
        assert client.get(f"/jobs/{id}").json()["state"] == "waiting"


def test_a_full_disk_does_not_where_the_log_is_not_required(served):
    with served("/dev/full", audit_required=False) as client:
        for by in ROUTES:
            answer, _ = by(client)
            assert answer.status_code == 200, by
        assert job_done(client)["state"] == "done"


def test_a_second_service_on_one_log_does_not_start(client, log, options):
    with TestClient(create_app(Settings(**options, audit_log=str(log)))) as second:
        deadline = time.monotonic() + 120
        while (answer := second.get("/readyz")).json()["error"]["code"] == "not_ready":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        started = second.get("/startupz")
    assert answer.status_code == started.status_code == 503
    assert started.json() == answer.json()
    error = answer.json()["error"]
    assert error["code"] == "audit_log_unusable"
    assert "{replica}" in error["cure"]


def test_replicas_with_one_configuration_have_files_of_their_own(served, tmp_path, logged):
    pattern = tmp_path / "audit-{replica}.jsonl"
    with served(pattern, audit_replica="a") as one, served(pattern, audit_replica="b") as two:
        for client in (one, two, two):
            client.post("/generate", json=ASKED)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["audit-a.jsonl", "audit-b.jsonl"]
    assert len(logged(pattern).images) == len(logged(tmp_path).images) == 3
    verdicts = [verify(chain.lines()) for chain in open_chains(str(pattern), Settings())]
    assert [(verdict.chain, verdict.lines, verdict.is_sound) for verdict in verdicts] == [
        ("a", 1, True),
        ("b", 2, True),
    ]


def test_the_log_can_be_a_stream_in_redis(served, redis_server: RedisServer):
    with served("redis", redis_url=redis_server.url) as client:
        answer = client.post("/generate", json=ASKED)
        (item,) = answer.json()["images"]
        settings = Settings(redis_url=redis_server.url)
        (chain,) = open_chains("redis", settings)
        assert verify(chain.lines()).is_sound
        entry, _ = lines_to_replay([chain], answer.headers["x-trimtab-id"])
        assert entry.image_digest == digest_of(base64.b64decode(item["b64_json"]))


def test_lines_are_ascii_and_hold_whatever_is_asked(client, log, logged):
    prompt = 'cat"}\n\u2028\x1b[é'
    answer = client.post("/generate", json={**ASKED, "prompt": prompt})
    assert answer.status_code == 200, answer.text
    id = answer.headers["x-trimtab-id"]
    (entry,) = logged(log, request=id).images
    assert entry.prompts.prompt.text == prompt
    (line,) = [line for line in log.read_text().split("\n") if id in line]
    assert line.isascii()
    assert not re.search(r"[\x00-\x1f\x7f]", line)
    assert json.loads(line)["request"] == id
