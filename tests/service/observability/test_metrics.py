"""What /metrics says of a real service, after known requests."""

import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from jobs_over_http import has_ended
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from policies.gate import Decision
from service.app import create_app
from service.metrics import LATENCY_BUCKETS_S, Metrics
from service.observability.labels import MAX_NAMES, OTHER, BoundedLabel
from service.settings import Settings
from vectors.file_format import content_of

QUICK = {"prompt": "a photo of a doctor", "num_inference_steps": 2, "seed": 7}
# Many seconds where two images are made at a time: in flight until it is given up.
LONG = {"prompt": "a photo of a doctor", "num_inference_steps": 999, "num_images": 8}
DOCUMENT = Path(__file__).parents[3] / "docs" / "observability.md"

Series = tuple[str, tuple[tuple[str, str], ...]]


def families(client: TestClient) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(client.get("/metrics").text)}


def samples(client: TestClient) -> Counter[Series]:
    """Every sample by its name and labels."""
    return Counter(
        {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families(client).values()
            for sample in family.samples
        }
    )


def at(counted: Mapping[Series, float], name: str, **labels: str) -> float:
    return counted.get((f"trimtab_{name}", tuple(sorted(labels.items()))), 0.0)


class Since:
    """What was counted since it was made."""

    def __init__(self, client: TestClient) -> None:
        self._client, self._before = client, samples(client)

    def __call__(self, name: str, **labels: str) -> float:
        return at(samples(self._client), name, **labels) - at(self._before, name, **labels)


@pytest.fixture
def since(client: TestClient) -> Since:
    return Since(client)


def test_every_step_of_the_engine_is_counted_with_its_rows(client, since):
    client.post("/generate", json={**QUICK, "num_images": 3})
    assert since("step_rows_sum") == 3 * 2
    assert since("step_unet_rows_sum") == 2 * 3 * 2
    assert since("step_rows_count") == since("step_unet_rows_count") == since("step_seconds_count")
    assert since("step_rows_count") >= 2
    assert since("step_seconds_sum") > 0
    assert since("row_queue_seconds_count") == 3
    assert since("decode_seconds_count") >= 1
    client.post("/generate", json={**QUICK, "guidance_scale": 1.0, "policy": {}})
    assert since("step_rows_sum") == 3 * 2 + 2
    assert since("step_unet_rows_sum") == 2 * 3 * 2 + 2


def test_buckets_are_those_of_other_image_servers_and_add_up(client):
    client.post("/generate", json=QUICK)
    found = families(client)
    for name in ("trimtab_request_seconds", "trimtab_stage_seconds", "trimtab_step_seconds"):
        buckets = [sample for sample in found[name].samples if sample.name.endswith("_bucket")]
        stage = {k: v for k, v in buckets[0].labels.items() if k != "le"}
        of_one = [one for one in buckets if {k: v for k, v in one.labels.items() if k != "le"} == stage]
        bounds = [float(one.labels["le"]) for one in of_one]
        assert set(LATENCY_BUCKETS_S) < set(bounds)
        assert bounds[-1] == float("inf")
        counts = [one.value for one in of_one]
        assert counts == sorted(counts)
        (count,) = (
            one.value for one in found[name].samples if one.name.endswith("_count") and one.labels == stage
        )
        assert counts[-1] == count > 0


@pytest.mark.parametrize(
    ("policy", "labels"),
    [
        ({}, {"steering": "unsteered", "vectors": "0"}),
        ({"safety": [{"concept": "anti-sexual"}]}, {"steering": "steered", "vectors": "1"}),
        ("default", {"steering": "combined", "vectors": "4"}),
    ],
)
def test_rows_are_counted_by_how_many_vectors_were_added(client, since, policy, labels):
    client.post("/generate", json={**QUICK, "num_images": 2, "policy": policy})
    assert since("rows_total", **labels) == 2
    others = {name for name in samples(client) if name[0] == "trimtab_rows_total"}
    assert len(others) == 9


def test_who_runs_and_who_waits_is_told_while_it_does(narrow_client, until):
    client = narrow_client
    job = client.post("/jobs", json=LONG).json()["id"]

    def now(name: str) -> float:
        return at(samples(client), name)

    until(lambda: (now("running_rows"), now("waiting_rows")) == (2, 6))
    client.delete(f"/jobs/{job}")
    until(lambda: (now("running_rows"), now("waiting_rows")) == (0, 0))


def test_served_members_are_counted_and_their_deviation_follows(client, since):
    rule = {"set": "gender", "target": {"woman": 1.0}, "when": "always"}
    client.post("/generate", json={**QUICK, "num_images": 3, "policy": {"fairness": [rule]}})
    assert since("served_members_total", concept_set="gender", member="woman") == 3
    assert since("served_members_total", concept_set="gender", member="man") == 0
    counted = samples(client)
    for name, members in {"gender": ("woman", "man"), "race": ("black", "white", "asian")}.items():
        served = [at(counted, "served_members_total", concept_set=name, member=member) for member in members]
        shares = [at(counted, "served_share", concept_set=name, member=member) for member in members]
        if not sum(served):
            continue
        assert shares == pytest.approx([one / sum(served) for one in served])
        equal = 1 / len(members)
        ratio = max(abs(share - equal) for share in shares) / (1 - equal)
        assert at(counted, "deviation_ratio", concept_set=name) == pytest.approx(ratio)


def test_one_member_alone_deviates_fully_and_even_shares_not_at_all(options, until_ready):
    woman = {"set": "gender", "target": {"woman": 1.0}}
    with TestClient(create_app(Settings(**options))) as client:
        until_ready(client.get)
        assert not [key for key in samples(client) if key[0] == "trimtab_deviation_ratio"]
        client.post("/generate", json={**QUICK, "policy": {"fairness": [woman]}})
        assert at(samples(client), "deviation_ratio", concept_set="gender") == 1
        man = {"set": "gender", "target": {"man": 1.0}}
        client.post("/generate", json={**QUICK, "policy": {"fairness": [man]}})
        assert at(samples(client), "deviation_ratio", concept_set="gender") == 0


@pytest.mark.parametrize(
    ("prompt", "applies", "reason"),
    [
        ("a photo of a doctor", "yes", "open"),
        ("a photo of a beach", "no", "no_people"),
        ("a photo of a female doctor", "no", "stated"),
    ],
)
def test_the_gates_decisions_are_counted_by_kind_once_a_request(client, since, prompt, applies, reason):
    policy = {"fairness": [{"set": "gender"}]}
    client.post("/generate", json={**QUICK, "prompt": prompt, "num_images": 2, "policy": policy})
    labels = {"concept_set": "gender", "applies": applies, "reason": reason}
    assert since("gate_decisions_total", **labels) == 1
    client.post("/policies/explain", json={**QUICK, "prompt": prompt, "policy": policy})
    assert since("gate_decisions_total", **labels) == 1


def test_a_rule_for_every_prompt_and_one_that_a_phrase_asks_for_have_kinds_of_their_own(client, since):
    always = {"fairness": [{"set": "gender", "when": "always"}]}
    client.post("/generate", json={**QUICK, "prompt": "a beach", "policy": always})
    assert since("gate_decisions_total", concept_set="gender", applies="yes", reason="always") == 1
    client.post("/generate", json={**QUICK, "prompt": "a diverse group", "policy": {"phrases": "steer"}})
    assert since("gate_decisions_total", concept_set="race", applies="yes", reason="phrase") == 1


@pytest.fixture(scope="module")
def floored(options, until_ready) -> Iterator[TestClient]:
    floor = {
        "name": "held",
        "safety": [{"concept": "anti-sexual", "by": "both"}],
        "sampling": {"min_guidance_scale": 2.0},
    }
    settings = Settings(**options, floor=floor, policies={"default": {}})
    with TestClient(create_app(settings)) as client:
        until_ready(client.get)
        yield client


OPPOSED = {"policy": {"safety": [{"concept": "anti-sexual", "strength": -3.0}]}}


@pytest.mark.parametrize(
    ("route", "asked", "reasons"),
    [
        ("/generate", OPPOSED, {"opposed": 1}),
        ("/jobs", OPPOSED, {"opposed": 1}),
        ("/policies/explain", OPPOSED, {}),
        ("/generate", {"guidance_scale": 1.5}, {"sampling": 1}),
        ("/generate", {"policy": {"sampling": {"min_steps": 10}}}, {}),
        ("/generate", {"policy": "no-such-policy"}, {}),
        ("/generate", {}, {}),
    ],
)
def test_refusals_because_of_the_floor_are_counted_and_no_others(floored, route, asked, reasons):
    since = Since(floored)
    answer = floored.post(route, json={**QUICK, **asked})
    assert answer.status_code == (422 if reasons or asked else 200), answer.text
    told = {
        reason: since("floor_refusals_total", reason=reason) for reason in ("opposed", "unmet", "sampling")
    }
    assert {reason: count for reason, count in told.items() if count} == reasons


def test_a_floor_that_cannot_be_met_is_counted(floored, monkeypatch):
    """As where a replica lost a vector that its floor needs."""
    generation, since = floored.app.state.readiness.generation(), Since(floored)
    loaded = generation.loaded
    left = {name: stored for name, stored in loaded.vectors.items() if name != "anti-sexual"}
    monkeypatch.setattr(generation, "loaded", loaded.with_vectors(left))
    for route in ("/generate", "/jobs"):
        answer = floored.post(route, json=QUICK)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "floor_unmet")
    assert since("floor_refusals_total", reason="unmet") == 2


def test_the_floor_is_told_among_the_policies(floored):
    (floor,) = (dict(key[1]) for key in samples(floored) if ("role", "floor") in key[1])
    assert (floor["policy"], floor["digest"][:7]) == ("held", "sha256:")


def test_what_is_loaded_is_told_with_its_digest_and_no_version_stays(
    options, model, make_vector, until_ready
):
    def told(client: TestClient, name: str) -> list[dict[str, str]]:
        return [dict(labels) for found, labels in samples(client) if found == f"trimtab_{name}_info"]

    with TestClient(create_app(Settings(**options))) as client:
        until_ready(client.get)
        summaries = {one["concept"]: one["digest"] for one in client.get("/vectors").json()["vectors"]}
        assert {one["concept"]: one["digest"] for one in told(client, "vector")} == {
            concept: digest[:19] for concept, digest in summaries.items()
        }
        configured = client.get("/policies").json()["policies"]
        assert {one["policy"] for one in told(client, "policy")} == set(configured)
        assert [one["policy"] for one in told(client, "policy") if one["role"] == "default"] == ["default"]
        (base,) = told(client, "model")
        assert base == {"model": "sd1", "base_model": model.fingerprint[:19]}
        changed = content_of(replace(make_vector(model, "woman") * 1.1, recommended_strength=0.8))
        assert client.post("/admin/vectors", content=changed).status_code == 201
        assert [one["version"] for one in told(client, "vector") if one["concept"] == "woman"] == ["2"]


def hostile(client: TestClient) -> None:
    """Ask for everything that has a name, by names that nobody has asked for before."""
    name = f"x{secrets.token_hex(6)}"
    named = [
        {"policy": name},
        {"policy": {"name": name}},
        {"policy": {"safety": [{"concept": name}]}},
        {"policy": {"fairness": [{"set": name}]}},
        {"policy": {"fairness": [{"set": "gender", "target": {name: 1.0}}]}},
        {"scheduler": name},
        {"prompt": name},
        {"prompt": f'{name}"}} 1\ntrimtab_{name} 1'},
        {name: name},
        {"seed": secrets.randbelow(2**31)},
    ]
    headers = {"X-Request-ID": name, "Idempotency-Key": name, "User-Agent": name, "traceparent": name}
    jobs = []
    for asked in named:
        client.post("/generate", json={**QUICK, **asked})
        jobs.append(client.post("/jobs", json={**QUICK, **asked}).json().get("id"))
    client.post("/generate", json={**QUICK, "num_images": 8}, headers=headers)
    client.request(name, "/generate")
    client.get(f"/{name}")
    client.get(f"/vectors/{name}")
    client.get(f"/v1/models/{name}")
    client.get(f"/jobs/{name}")
    client.get(f"/images/{name}")
    client.delete(f"/admin/vectors/{name}")
    deadline = time.monotonic() + 60
    for job in filter(None, jobs):
        while not has_ended(client.get(f"/jobs/{job}").json()):
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_no_request_adds_a_series_by_a_name_of_its_own(client):
    hostile(client)
    before = set(samples(client))
    for _ in range(3):
        hostile(client)
    assert set(samples(client)) == before
    labels = {name for _, labels in before for name, _ in labels}
    assert not labels & {"prompt", "key", "key_id", "tenant", "id", "request_id", "job", "path", "trace_id"}


def test_names_that_admins_choose_are_bounded_too():
    metrics = Metrics()
    for number in range(3 * MAX_NAMES):
        metrics.count_image([f"concept-{number}"], {}, is_served=True)
        metrics.decided([Decision(f"set-{number}", True, "", "open")])
    text = metrics.exposition().decode()
    for name in ("trimtab_applied_concepts_total", "trimtab_gate_decisions_total"):
        lines = [line for line in text.splitlines() if line.startswith(f"{name}{{")]
        assert len(lines) == MAX_NAMES + 1
        (rest,) = (line for line in lines if f'"{OTHER}"' in line)
        assert float(rest.rpartition(" ")[2]) == 2 * MAX_NAMES


def test_a_bounded_label_keeps_to_its_bound_from_many_threads():
    label = BoundedLabel(limit=10)
    found: list[set[str]] = []

    def ask(offset: int) -> None:
        found.append({label(str(number)) for number in range(offset, offset + 500)})

    threads = [threading.Thread(target=ask, args=(100 * number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set().union(*found)) == 11


def documented() -> dict[str, tuple[str, frozenset[str]]]:
    """Of every metric in the document its type and labels."""
    rows = re.findall(r"^\| `(trimtab_\w+)` \| (\w+) \|([^|]*)\|", DOCUMENT.read_text(), re.MULTILINE)
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def test_the_document_has_the_metrics_that_are_there_and_no_others(client, floored):
    hostile(client)
    client.post("/generate", json=QUICK)
    floored.post("/generate", json={**QUICK, **OPPOSED})
    told = documented()
    exposed = families(client)
    kinds = {
        f"{name}_total" if family.type == "counter" else name: family.type
        for name, family in exposed.items()
        if name.startswith("trimtab_")
    }
    assert {name: kind for name, (kind, _) in told.items()} == kinds
    for key, labels in {*samples(client), *samples(floored)}:
        name = re.sub(r"_(bucket|count|sum)$", "", key)
        if name in told:
            assert {label for label, _ in labels} - {"le"} == told[name][1], key


def test_the_documents_queries_name_metrics_that_are_there():
    """What is asked for in examples and alerts is documented, and so there."""
    text = DOCUMENT.read_text()
    asked = {re.sub(r"_(bucket|count|sum)$", "", name) for name in re.findall(r"\btrimtab_[a-z_]+", text)}
    assert asked <= set(documented())


def test_names_follow_the_conventions(client):
    for name, family in families(client).items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert family.documentation.endswith("."), name
        assert not re.search(r"_(ms|milliseconds|percent|kb|mb)$", name)
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)
        else:
            assert not name.endswith("_total")
