"""What holds for tenants: floors, concepts, allowances and their own counts, on a real service with their keys."""

import io
import json
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from held_engines import held_steps, slow_steps
from PIL import Image

from service.app import create_app
from service.key_file import changed_keys
from service.key_records import issued
from service.settings import Settings
from vectors import VectorLibrary

QUICK = {"prompt": "a cat", "num_inference_steps": 2, "seed": 7, "policy": {}}
DOCTOR = {**QUICK, "prompt": "a photo of a doctor"}
LEDGER = {"fairness": [{"set": "gender"}], "assignment": "ledger", "description": "of tenants"}
SAFE = {"name": "safe", "safety": [{"concept": "anti-sexual"}]}
TENANTS = {
    "plain": {},
    "other": {},
    "calm": {"floor": {"name": "calm", "safety": [{"concept": "anti-violence", "strength": 0.5}]}},
    "fair": {"floor": "even"},
    "narrow": {"concepts": ["woman", "man"]},
    "small": {"concurrent_images": 2},
    "slow": {"images_per_minute": 4},
    "seldom": {"requests_per_minute": 2},
    "once": {"requests_per_minute": 1, "floor": {"safety": [{"concept": "anti-violence"}]}},
}
POLICIES = {
    "default": {},
    "even": {"fairness": [{"set": "gender"}], "assignment": "ledger"},
    "usual": {"phrases": "steer", "safety": [{"concept": "anti-violence"}]},
}

Post = Callable[..., tuple[int, Mapping[str, object]]]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, str]]:
    """The file, and the key of each tenant."""
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    new = {name: issued(name, ["generate", "read"], datetime.now(UTC)) for name in TENANTS}
    with changed_keys(file) as records:
        records.update({one.record.id: one.record for one in new.values()})
    return file, {name: one.key.get_secret_value() for name, one in new.items()}


@pytest.fixture(scope="module")
def agreeing(options, library, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, object]:
    """The settings of a service whose vectors do not point against each other."""
    own = VectorLibrary(tmp_path_factory.mktemp("agreeing"))
    for stored in library.list():
        own.publish(replace(stored.vector, values=stored.vector.values.abs()))
    return {**options, "vectors": own.root, "floor": SAFE, "policies": POLICIES}


@pytest.fixture(scope="module")
def held(agreeing, keys, until_ready) -> Iterator[TestClient]:
    """A service with a floor and tenants."""
    settings = Settings(**agreeing, keys=keys[0], tenants=TENANTS, max_waiting_per_tenant=10)
    with TestClient(create_app(settings)) as client:
        until_ready(client.get)
        yield client


@pytest.fixture(scope="module")
def post(held, keys) -> Post:
    """Asks as a tenant."""

    def post(tenant: str, body: Mapping[str, object], path: str = "/generate"):
        return held.post(path, json=body, headers={"X-API-Key": keys[1][tenant]})

    return post


def applied(answer) -> dict[str, float]:
    """What the first image of an answer was steered by."""
    assert answer.status_code == 200, answer.text
    return {one["concept"]: one["strength"] for one in answer.json()["images"][0]["applied"]}


def code(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_tenants_floor_holds_on_top_of_the_services(post):
    assert applied(post("plain", QUICK)) == {"anti-sexual": 0.8}
    answer = post("calm", QUICK)
    assert applied(answer) == {"anti-sexual": 0.8, "anti-violence": 0.5}
    record = json.loads(
        Image.open(io.BytesIO(b64decode(answer.json()["images"][0]["b64_json"]))).text["trimtab"]
    )
    assert record["floor"] == "safe-and-calm"
    plain = post("plain", QUICK, "/policies/explain").json()["floor_digest"]
    assert record["floor_digest"] not in (plain, None)
    assert post("calm", QUICK, "/policies/explain").json()["floor_digest"] == record["floor_digest"]


@pytest.mark.parametrize("concept", ["anti-sexual", "anti-violence"])
def test_neither_floor_is_turned_round_or_weakened(post, concept):
    assert code(post("calm", {**QUICK, "policy": {"safety": [{"concept": concept, "strength": -1.0}]}})) == (
        422,
        "against_the_floor",
    )
    weaker = {**QUICK, "policy": {"safety": [{"concept": concept, "strength": 0.1}]}}
    assert applied(post("calm", weaker)) == {"anti-sexual": 0.8, "anti-violence": 0.5}


def test_a_named_floor_that_draws_is_counted_by_the_ledger(post):
    drawn = [applied(post("fair", DOCTOR)).keys() & {"woman", "man"} for _ in range(4)]
    assert sorted(min(one) for one in drawn) == ["man", "man", "woman", "woman"]


def test_policies_list_the_callers_floor_and_concepts(held, keys):
    listed = {
        tenant: held.get("/policies", headers={"X-API-Key": keys[1][tenant]}).json()
        for tenant in ("plain", "calm", "narrow")
    }
    assert {tenant: one["floor"]["name"] for tenant, one in listed.items()} == dict.fromkeys(listed, "safe")
    assert listed["plain"]["tenant_floor"] is None
    assert listed["calm"]["tenant_floor"]["name"] == "calm"
    assert (listed["plain"]["concepts"], listed["narrow"]["concepts"]) == (None, ["man", "woman"])


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"safety": [{"concept": "anti-violence"}]}, "policy.safety.0.concept"),
        ({"safety": [{"concept": "anti-violence", "by": "negative_prompt"}]}, "policy.safety.0.concept"),
        ({"fairness": [{"set": "gender"}, {"set": "race"}]}, "policy.fairness.1.set"),
    ],
)
@pytest.mark.parametrize("path", ["/generate", "/policies/explain"])
def test_a_requests_policy_names_allowed_concepts_only(post, policy, field, path):
    answer = post("narrow", {**DOCTOR, "policy": policy}, path)
    assert code(answer) == (403, "concept_not_allowed")
    assert answer.json()["error"]["field"] == field
    assert "man, woman" in answer.json()["error"]["cure"]


def test_allowed_are_listed_concepts_those_of_the_floor_and_of_configured_policies(post):
    own = {"fairness": [{"set": "gender"}], "safety": [{"concept": "anti-sexual", "strength": 1.0}]}
    strengths = applied(post("narrow", {**DOCTOR, "policy": own}))
    assert strengths.pop("anti-sexual") == 1.0
    assert strengths.keys() <= {"woman", "man"}
    assert len(strengths) == 1
    assert applied(post("narrow", {**QUICK, "policy": "usual"}))["anti-violence"] == 0.8


@pytest.mark.parametrize(
    ("prompt", "asked", "members"),
    [
        ("a doctor, no blood", "anti-violence", {"anti-violence"}),
        ("doctor of any race", "race", {"black", "white", "asian"}),
        ("fair-gender doctor", "gender", {"woman", "man"}),
    ],
)
def test_a_phrase_of_the_prompt_names_allowed_concepts_only(post, prompt, asked, members):
    request = {**QUICK, "prompt": prompt, "policy": {"phrases": "steer"}}
    assert applied(post("plain", request)).keys() & members
    explained = post("narrow", request, "/policies/explain")
    assert explained.status_code == 200, explained.text
    (image,) = explained.json()["images"]
    is_allowed = asked == "gender"
    assert bool({one["concept"] for one in image["steering"]} & members) == is_allowed
    assert bool(applied(post("narrow", request)).keys() & members) == is_allowed
    reasons = [one["reason"] for one in image["skipped"] if one["concept"] == asked]
    assert is_allowed or "not among those that this tenant's policies may name" in reasons[0]


def test_tenants_are_counted_apart_and_explained_by_their_own_counts(post):
    request = {**DOCTOR, "policy": LEDGER}
    first = applied(post("plain", request)).keys() & {"woman", "man"}
    assert applied(post("other", request)).keys() & {"woman", "man"} == first
    next_of_plain = post("plain", request, "/policies/explain").json()["images"][0]["steering"][0]["concept"]
    assert {next_of_plain} == {"woman", "man"} - first


def test_more_images_than_a_tenant_ever_has_are_refused_at_once(post):
    for tenant, most in (("small", 2), ("slow", 4), ("plain", 8)):
        answer = post(tenant, {**QUICK, "num_images": most + 1})
        assert code(answer) == (422, "too_many_images")
        assert f"at most {most}" in answer.json()["error"]["cure"]


def test_images_of_a_minute_are_used_up_by_what_is_made_and_by_nothing_else(post):
    assert code(post("slow", {**QUICK, "scheduler": "x"})) == (422, "unknown_scheduler")
    assert code(post("slow", {**QUICK, "policy": {"safety": [{"concept": "x"}]}})) == (422, "unknown_concept")
    assert post("slow", {**QUICK, "num_images": 4}, "/policies/explain").status_code == 200
    assert post("slow", {**QUICK, "num_images": 4}).status_code == 200
    answer = post("slow", QUICK)
    assert code(answer) == (429, "allowance_exceeded")
    assert "images_per_minute" in answer.json()["error"]["message"]
    assert answer.json()["error"]["value"] == 4
    assert 1 <= int(answer.headers["retry-after"]) <= 15
    assert post("plain", QUICK).status_code == 200


def test_requests_of_a_minute_are_used_up(post):
    codes = [post("seldom", QUICK).status_code for _ in range(3)]
    assert codes == [200, 200, 429]


def test_places_are_taken_while_images_are_made_and_given_back(held, post):
    """Three requests of two images at once, where two images may be made: at least one is refused, none is stuck."""
    long = {**QUICK, "num_inference_steps": 50, "num_images": 2}
    with ThreadPoolExecutor(max_workers=3) as pool, slow_steps(0.04):
        together = threading.Barrier(3)

        def ask(_number: int):
            together.wait()
            return post("small", long)

        answers = list(pool.map(ask, range(3)))
    refused = [answer for answer in answers if answer.status_code != 200]
    assert 1 <= len(refused) <= 2
    for answer in refused:
        assert code(answer) == (429, "allowance_exceeded")
        assert "concurrent_images" in answer.json()["error"]["message"]
        assert answer.headers["retry-after"] == "1"
    assert post("small", {**QUICK, "num_images": 2}).status_code == 200


def test_a_tenant_that_fills_its_part_of_the_queue_leaves_room_for_others(held, post):
    with ThreadPoolExecutor(max_workers=3) as pool, held_steps() as steps:
        asked = [pool.submit(post, "plain", QUICK)]
        steps.until_reached()
        asked.append(pool.submit(post, "plain", {**QUICK, "num_images": 8}))
        deadline = time.monotonic() + 120
        while "trimtab_waiting_rows 8.0" not in held.get("/metrics").text:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        refused = post("plain", {**QUICK, "num_images": 3})
        assert code(refused) == (429, "queue_full")
        assert "8 rows of 'plain' wait, and at most 10 may" in refused.json()["error"]["message"]
        assert int(refused.headers["retry-after"]) >= 1
        asked.append(pool.submit(post, "other", QUICK))
        while "trimtab_waiting_rows 9.0" not in held.get("/metrics").text:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        steps.let_go()
        assert [one.result().status_code for one in asked] == [200, 200, 200]


FAMILIES = {
    "/generate": QUICK,
    "/v1/images/generations": {"prompt": "a cat", "num_inference_steps": 2},
    "/hf/text-to-image": {"inputs": "a cat", "parameters": {"num_inference_steps": 2}},
    "/sdapi/v1/txt2img": {"prompt": "a cat", "steps": 2},
}


def test_an_allowance_is_one_on_all_routes(post):
    stream = {**QUICK, "stream": True}
    made = post("once", FAMILIES["/v1/images/generations"], "/v1/images/generations")
    assert {one["concept"] for one in made.json()["data"][0]["applied"]} == {"anti-sexual", "anti-violence"}
    for path, body in [*FAMILIES.items(), ("/generate", stream)]:
        answer = post("once", body, path)
        assert answer.status_code == 429, f"{path}: {answer.text}"
        assert 1 <= int(answer.headers["retry-after"]) <= 60


@pytest.mark.parametrize(
    ("floor", "named"),
    [
        ({"safety": [{"concept": "anti-hate"}]}, "'anti-hate'"),
        ({"safety": [{"concept": "anti-sexual", "strength": -1.0}]}, "goes against the service's"),
        ({"max_norm": 1.0}, "scale down what the service's floor adds"),
        ({"fairness": [{"set": "gender"}]}, "assignment: ledger"),
    ],
)
def test_a_tenants_floor_that_cannot_be_held_keeps_the_service_from_serving(agreeing, keys, floor, named):
    settings = Settings(**agreeing, keys=keys[0], tenants={"shop": {"floor": floor}})
    done = threading.Event()
    with TestClient(create_app(settings, lambda _state: done.set())) as client:
        assert done.wait(timeout=60)
        answer = client.get("/readyz")
    assert code(answer) == (503, "load_failed")
    assert "tenant 'shop'" in answer.json()["error"]["message"]
    assert named in answer.json()["error"]["message"]
