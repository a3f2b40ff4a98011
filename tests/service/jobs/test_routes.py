import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from held_engines import held_steps
from jobs_over_http import LONG, QUICK, has_ended, is_running

from service.schemas import GenerateRequest


def test_a_job_is_accepted_at_once_and_ends_with_what_generate_answers(client, until):
    accepted = client.post("/jobs", json={**QUICK, "num_images": 2})
    assert accepted.status_code == 202
    job = accepted.json()
    assert accepted.headers["location"] == f"/jobs/{job['id']}"
    assert (job["state"], job["images"], job["answer"], job["error"]) == ("waiting", 2, None, None)

    done = until(client, job["id"], has_ended)
    assert (done["state"], done["progress"], done["attempts"], done["error"]) == ("done", 1.0, 1, None)
    answer = client.post("/generate", json={**QUICK, "num_images": 2}).json()
    assert done["answer"]["images"] == answer["images"]
    assert done["answer"].keys() == answer.keys()
    assert done["answer"]["id"] == job["id"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"prompt": ""}, 422, "empty_prompt"),
        ({"num_images": 100}, 422, "too_many_images"),
        ({"policy": "nobody's"}, 422, "unknown_policy"),
        ({"colour": "red"}, 422, "unknown_field"),
    ],
)
def test_what_generate_refuses_is_refused_at_acceptance(client, change, status, code):
    answer = client.post("/jobs", json={**QUICK, **change})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", ""), ("GET", "/events")])
def test_an_unknown_job_is_not_found_by_name(client, method, path):
    answer = client.request(method, f"/jobs/nothing{path}")
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert (error["code"], error["field"], error["value"]) == ("unknown_job", "id", "nothing")
    assert "POST /jobs" in error["cure"]


def first_drawn(client, request):
    """The member that the next image would get; nothing is counted."""
    generation = client.app.state.readiness.generation()
    return generation.explain(GenerateRequest.model_validate(request)).images[0].steering[0].concept


def until_first_drawn(client, request, member):
    deadline = time.monotonic() + 60
    while first_drawn(client, request) != member:
        assert time.monotonic() < deadline
        time.sleep(0.05)


COUNTED = {"fairness": [{"set": "gender", "when": "always"}], "assignment": "ledger"}


def test_a_running_job_is_cancelled_and_those_behind_it_run(narrow_client, until):
    request = {**LONG, "prompt": "a photo of a judge", "policy": COUNTED, "num_images": 7}
    before = first_drawn(narrow_client, request)
    first = narrow_client.post("/jobs", json={**request}).json()["id"]
    until(narrow_client, first, is_running)
    assert first_drawn(narrow_client, request) != before
    answer = narrow_client.delete(f"/jobs/{first}")
    assert answer.status_code == 200
    cancelled = until(narrow_client, first, has_ended)
    assert (cancelled["state"], cancelled["answer"]) == ("cancelled", None)
    assert cancelled["error"]["code"] == "cancelled"
    until_first_drawn(narrow_client, request, before)
    # The engine holds two images: this one is made because the first is given up.
    behind = narrow_client.post("/jobs", json=QUICK).json()["id"]
    assert until(narrow_client, behind, has_ended)["state"] == "done"


def test_a_worker_claims_no_more_than_it_has_free_rows_for(narrow_client, until):
    ids = [narrow_client.post("/jobs", json=LONG).json()["id"] for _ in range(3)]
    until(narrow_client, ids[0], is_running)
    time.sleep(1)
    jobs = [narrow_client.get(f"/jobs/{id}").json() for id in ids]
    assert [(job["state"], job["position"]) for job in jobs] == [
        ("running", None),
        ("waiting", 1),
        ("waiting", 2),
    ]
    for id in ids:
        narrow_client.delete(f"/jobs/{id}")
        until(narrow_client, id, has_ended)


def test_a_waiting_job_is_cancelled_at_once_and_its_counts_are_given_back(narrow_client, until):
    request = {**QUICK, "prompt": "a photo of a nurse", "policy": COUNTED}
    before = first_drawn(narrow_client, request)
    in_front = narrow_client.post("/jobs", json=LONG).json()["id"]
    until(narrow_client, in_front, is_running)
    id = narrow_client.post("/jobs", json=request).json()["id"]
    assert first_drawn(narrow_client, request) != before
    cancelled = narrow_client.delete(f"/jobs/{id}").json()
    assert (cancelled["state"], cancelled["attempts"]) == ("cancelled", 0)
    until_first_drawn(narrow_client, request, before)
    narrow_client.delete(f"/jobs/{in_front}")
    until(narrow_client, in_front, has_ended)


def test_cancelling_what_has_ended_changes_nothing(client, until):
    id = client.post("/jobs", json=QUICK).json()["id"]
    done = until(client, id, has_ended)
    assert client.delete(f"/jobs/{id}").json() == done
    assert client.get(f"/jobs/{id}").json()["state"] == "done"


def test_synchronous_requests_take_rows_too(narrow_client, until):
    with ThreadPoolExecutor(max_workers=1) as pool, held_steps() as held:
        busy = pool.submit(narrow_client.post, "/generate", json={**QUICK, "num_images": 2})
        held.until_reached()
        engine = narrow_client.app.state.readiness.generation().loaded.engine
        assert engine.free_rows == 0
        id = narrow_client.post("/jobs", json=QUICK).json()["id"]
        time.sleep(0.5)
        assert narrow_client.get(f"/jobs/{id}").json()["state"] == "waiting"
        assert not busy.done()
        held.let_go()
        assert busy.result().status_code == 200
    assert until(narrow_client, id, has_ended)["state"] == "done"
