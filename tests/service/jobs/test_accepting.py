"""Who may hand in jobs, how many, and what a repeated request is."""

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from jobs_over_http import QUICK, has_ended

from service.app import create_app
from service.callers import Caller
from service.key_file import changed_keys
from service.key_records import issued
from service.settings import Settings
from service.wire.jobs import JobBody


def test_a_request_that_is_repeated_with_its_key_is_one_job(client, until):
    headers = {"Idempotency-Key": "one job"}
    first = client.post("/jobs", json=QUICK, headers=headers)
    again = client.post("/jobs", json=QUICK, headers=headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["location"] == first.headers["location"]
    other = client.post("/jobs", json={**QUICK, "seed": 8}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")
    assert client.post("/jobs", json=QUICK).json()["id"] != first.json()["id"]
    assert until(client, first.json()["id"], has_ended)["attempts"] == 1


def test_a_key_whose_answer_was_lost_still_names_one_job(client):
    """As when the store went away between adding the job and keeping the answer."""
    desk, generation = client.app.state.desk, client.app.state.readiness.generation()

    def accepted(seed: int, key: str | None) -> str:
        return client.portal.call(
            desk.accept, JobBody(**{**QUICK, "seed": seed}), Caller(), generation, key
        ).id

    assert accepted(1, "k") == accepted(1, "k")
    assert (
        len({accepted(1, "k"), accepted(2, "k"), accepted(1, "l"), accepted(1, None), accepted(1, None)}) == 5
    )


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, str]]:
    """The file of keys, and one key of each tenant; the readers' has not the role."""
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    tenants = {"shop": ["generate"], "studio": ["generate"], "readers": ["read"]}
    new = {name: issued(name, roles, datetime.now(UTC)) for name, roles in tenants.items()}
    with changed_keys(file) as records:
        records.update({one.record.id: one.record for one in new.values()})
    return file, {name: one.key.get_secret_value() for name, one in new.items()}


@pytest.fixture(scope="module")
def guarded(options, keys, until_ready) -> Iterator[TestClient]:
    settings = Settings(
        **options,
        keys=keys[0],
        tenants={"shop": {"images_per_minute": 3, "concurrent_images": 2}, "studio": {}, "readers": {}},
    )
    with TestClient(create_app(settings)) as client:
        until_ready(client.get)
        yield client


def test_jobs_are_their_tenants_own_and_count_against_its_allowance(guarded, keys, until):
    def ask(tenant: str, method: str, path: str = "", body: object = None):
        return guarded.request(method, f"/jobs{path}", json=body, headers={"X-API-Key": keys[1][tenant]})

    accepted = ask("shop", "POST", body={**QUICK, "num_images": 2})
    assert accepted.status_code == 202, accepted.text
    id = accepted.json()["id"]
    over = ask("shop", "POST", body={**QUICK, "num_images": 2})
    assert (over.status_code, over.json()["error"]["code"]) == (429, "allowance_exceeded")
    assert int(over.headers["retry-after"]) > 0
    assert ask("studio", "POST", body={**QUICK, "num_images": 2}).status_code == 202
    for method, path in (("GET", ""), ("GET", "/events"), ("DELETE", "")):
        stranger = ask("studio", method, f"/{id}{path}")
        assert (stranger.status_code, stranger.json()["error"]["code"]) == (404, "unknown_job")
        assert ask("readers", method, f"/{id}{path}").json()["error"]["code"] == "missing_role"
        assert guarded.request(method, f"/jobs/{id}{path}").json()["error"]["code"] == "missing_key"
    while not has_ended(job := ask("shop", "GET", f"/{id}").json()):
        time.sleep(0.02)
    assert job["state"] == "done"
