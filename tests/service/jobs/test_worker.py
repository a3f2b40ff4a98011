"""What a worker makes of jobs that are not as they should be, on a real service."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jobs_over_http import QUICK, has_ended

from diffusion import QueueFullError
from service.app import create_app
from service.callers import Caller
from service.jobs.plan import JobPlan
from service.schemas import GenerateRequest
from service.settings import Settings
from service.state.jobs import NewJob

Change = Callable[[dict[str, Any]], None]


def added(client: TestClient, change: Change, **request: object) -> str:
    """Add a job whose plan has been changed since it was made."""
    generation = client.app.state.readiness.generation()
    planned = client.portal.call(generation.plan, GenerateRequest(**{**QUICK, **request}), Caller())
    work = json.loads(JobPlan(planned=planned).to_json())
    change(work)
    client.app.state.shared.jobs.add(NewJob(planned.id, "", None, json.dumps(work), 1, time.time()))
    return planned.id


def another_model(work: dict[str, Any]) -> None:
    work["planned"]["base_model"] = "sha256:another"


def another_version(work: dict[str, Any]) -> None:
    work["later"] = True


def a_vanished_vector(work: dict[str, Any]) -> None:
    work["planned"]["references"]["anti-sexual"] = "anti-sexual@99"


def too_many_for_the_engine(work: dict[str, Any]) -> None:
    (image,) = work["planned"]["images"]
    work["planned"]["images"] = [image] * 2000


@pytest.mark.parametrize(
    ("change", "state", "code", "said"),
    [
        (another_model, "set_aside", "other_base_model", "sha256:another"),
        (another_version, "set_aside", "unreadable_plan", "another version"),
        (a_vanished_vector, "failed", "vector_unavailable", "failed on this request"),
        (too_many_for_the_engine, "failed", "queue_full", "2000 more rows"),
    ],
)
def test_what_cannot_be_made_ends_with_its_reason(client, until, change, state, code, said):
    job = until(client, added(client, change), has_ended)
    assert (job["state"], job["error"]["code"], job["answer"]) == (state, code, None)
    assert said in job["error"]["message"]
    # The worker goes on.
    next_one = client.post("/jobs", json=QUICK).json()["id"]
    assert until(client, next_one, has_ended)["state"] == "done"


def test_what_fails_is_given_back_to_the_ledger(client, until):
    counted = {"fairness": [{"set": "gender", "when": "always"}], "assignment": "ledger"}
    request = {"prompt": "a photo of a farmer", "policy": counted}
    generation = client.app.state.readiness.generation()

    def first_drawn() -> str:
        planned = generation.explain(GenerateRequest(**{**QUICK, **request}))
        return planned.images[0].steering[0].concept

    before = first_drawn()

    def without_its_vector(work: dict[str, Any]) -> None:
        work["planned"]["references"][before] = f"{before}@99"

    id = added(client, without_its_vector, **request)
    assert until(client, id, has_ended)["state"] == "failed"
    deadline = time.monotonic() + 60
    while first_drawn() != before:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_job_that_keeps_losing_its_workers_is_set_aside(options: Mapping[str, object], until_ready, until):
    settings = Settings(**options, claim_kept_s=0.5, job_attempts=2)
    with TestClient(create_app(settings)) as client:
        until_ready(client.get)
        jobs = client.app.state.shared.jobs
        unet = client.app.state.readiness.generation().loaded.model.pipe.unet

        def broken(_unet: object, _args: object) -> None:
            raise RuntimeError("secret detail")

        # The engine begins anew after the first time; after the second no worker claims here any more.
        with unet.register_forward_pre_hook(broken):
            id = client.post("/jobs", json=QUICK).json()["id"]
            deadline = time.monotonic() + 120
            while client.get("/readyz").status_code == 200:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert client.get(f"/jobs/{id}").json()["state"] == "running"
        time.sleep(0.6)
        assert not jobs.claim("another replica's worker")
        job = until(client, id, has_ended)
        assert (job["state"], job["error"]["code"], job["attempts"]) == ("set_aside", "set_aside", 2)
        assert "begun 2 times" in job["error"]["message"]


def test_metrics_count_how_jobs_end(client, until):
    def count(outcome: str) -> float:
        sample = f'trimtab_jobs_total{{outcome="{outcome}"}} '
        lines = client.get("/metrics").text.splitlines()
        return sum(float(line.removeprefix(sample)) for line in lines if line.startswith(sample))

    before = count("done"), count("set_aside")
    until(client, client.post("/jobs", json=QUICK).json()["id"], has_ended)
    until(client, added(client, another_model), has_ended)
    assert (count("done"), count("set_aside")) == (before[0] + 1, before[1] + 1)


def test_a_job_that_found_no_room_in_the_queue_is_tried_again_after_a_while(
    narrow_client, until, monkeypatch
):
    client, tries = narrow_client, 0
    loop = client.app.state.readiness.generation().loaded.engine._loop

    def full(_jobs: object) -> None:
        nonlocal tries
        tries += 1
        raise QueueFullError(waiting=9, requested=1, limit=9, work_ahead=1.0)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "submit", full)
        begin = time.monotonic()
        id = client.post("/jobs", json=QUICK).json()["id"]
        deadline = begin + 120
        while tries < 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        # Once a second, or twice where a claim was under way when it was given back.
        assert tries <= 2 * (time.monotonic() - begin + 1)
    job = until(client, id, has_ended)
    assert (job["state"], job["attempts"]) == ("done", 1)
