import itertools
import json
import time
from collections import Counter

import httpx2
import pytest
from held_engines import slow_steps
from jobs_over_http import LONG, QUICK, events_of, has_ended, is_running
from real_server import real_server

from service.http_errors import REFUSALS, VALIDATION_REFUSALS, status_of
from service.jobs.endings import why_not
from service.jobs.telling import TOLD_EVERY_S
from service.settings import Settings
from service.state.jobs import Ending, JobRecord


def test_events_tell_of_steps_and_end_with_the_images(client, until):
    id = client.post("/jobs", json={**QUICK, "num_images": 2}).json()["id"]
    answer = client.get(f"/jobs/{id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = events_of(answer.text)
    *before, first, second, done = events
    assert {event.name for event in before} <= {"queued", "step"}
    for event in before:
        if event.name == "step":
            assert 0 < event.data["progress"] <= 1
            assert (event.data["image"] in (0, 1), event.data["steps"]) == (True, 2)
    kept = until(client, id, has_ended)["answer"]
    assert [event.name for event in (first, second, done)] == ["image", "image", "done"]
    assert first.data == {"image": 0, **kept["images"][0]}
    assert second.data == {"image": 1, **kept["images"][1]}
    assert done.data == {"id": id, "model": kept["model"], "timings_s": kept["timings_s"]}


def test_who_comes_back_hears_only_what_is_new(client, until):
    with slow_steps(0.01):
        id = client.post("/jobs", json={**QUICK, "num_inference_steps": 100}).json()["id"]
        until(client, id, has_ended)
    told = client.app.state.shared.jobs.told(id)
    assert told, "a second is long enough to be told of"
    events = events_of(client.get(f"/jobs/{id}/events").text)
    assert [event.id for event in events if event.name in ("queued", "step")] == [one.id for one in told]
    again = client.get(f"/jobs/{id}/events", headers={"Last-Event-ID": told[-1].id})
    assert [event.name for event in events_of(again.text)] == ["image", "done"]
    over = client.get(f"/jobs/{id}/events", headers={"Last-Event-ID": events[-1].id})
    assert (over.status_code, over.text) == (204, "")


def test_a_place_that_cannot_be_is_refused(client):
    id = client.post("/jobs", json=QUICK).json()["id"]
    answer = client.get(f"/jobs/{id}/events", headers={"Last-Event-ID": "yesterday"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unknown_place")


def test_steps_are_told_a_few_times_a_second(client, until):
    began = time.monotonic()
    with slow_steps(0.005):
        id = client.post("/jobs", json={**QUICK, "num_inference_steps": 150, "num_images": 4}).json()["id"]
        until(client, id, has_ended)
    rounds = 2 + (time.monotonic() - began) / TOLD_EVERY_S
    kinds = Counter(json.loads(one.text)["event"] for one in client.app.state.shared.jobs.told(id))
    assert kinds.keys() <= {"queued", "step"}
    assert 1 <= kinds["step"] <= rounds  # though there were 600
    assert kinds["queued"] <= rounds


def test_previews_are_told_where_they_were_asked_for(client, until):
    request = {**QUICK, "num_inference_steps": 60, "policy": "research-off"}
    with slow_steps(0.01):
        id = client.post("/jobs", json={**request, "preview_every": 1}).json()["id"]
        events = events_of(client.get(f"/jobs/{id}/events").text)
    previews = [event.data for event in events if event.name == "preview"]
    assert previews
    assert all(preview["b64_json"] for preview in previews)
    without = client.post("/jobs", json=request).json()["id"]
    assert "preview" not in client.get(f"/jobs/{without}/events").text


def test_the_last_event_of_a_cancelled_job_says_why(narrow_client, until):
    id = narrow_client.post("/jobs", json=LONG).json()["id"]
    until(narrow_client, id, is_running)
    narrow_client.delete(f"/jobs/{id}")
    last = events_of(narrow_client.get(f"/jobs/{id}/events").text)[-1]
    assert (last.name, last.data["status"], last.data["error"]["code"]) == ("error", 499, "cancelled")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("impossible_steps", 422),
        ("vector_unavailable", 500),
        ("unknown_job", 404),
        ("set_aside", 500),
        ("out_of_memory", 507),
    ],
)
def test_the_status_of_an_error_is_what_would_have_been_answered(code, status):
    assert status_of(code) == status


def test_the_last_event_of_a_job_that_fails_has_the_status_and_error_of_generate(client):
    asked = {**QUICK, "num_inference_steps": 140, "scheduler": "lcm"}
    answer = client.post("/generate", json=asked)
    id = client.post("/jobs", json=asked).json()["id"]
    last = events_of(client.get(f"/jobs/{id}/events").text)[-1]
    assert last.data == {"status": answer.status_code, "error": answer.json()["error"]}
    assert last.data["status"] == 422


def test_who_follows_a_waiting_job_hears_its_position(narrow):
    """Over a connection: what is told while the other job runs."""
    with (
        real_server(Settings(**narrow)) as url,
        httpx2.Client(base_url=url, timeout=60) as client,
    ):
        in_front = client.post("/jobs", json=LONG).json()["id"]
        while not is_running(client.get(f"/jobs/{in_front}").json()):
            time.sleep(0.02)
        waiting = client.post("/jobs", json=QUICK).json()["id"]
        with client.stream("GET", f"/jobs/{waiting}/events") as answer:
            lines = answer.iter_lines()
            first = list(itertools.takewhile(bool, (line for line in lines if not line.startswith(":"))))
            client.delete(f"/jobs/{in_front}")
            (told,) = events_of("\n".join(first))
            assert (told.name, told.data) == ("queued", {"position": 1})
            assert events_of("\n".join(lines))[-1].name == "done"


@pytest.mark.parametrize("answer", [b"", b'{"code":"x","message":"m","field":null,"value":null,"cure":"c"}'])
def test_an_ending_without_images_is_told_whoever_ended_it(answer):
    ending = Ending("set_aside", answer, "It was begun 3 times.")
    record = JobRecord("id", "", None, 1, ending.state, None, 3, 0.0, ending.reason)
    detail = why_not(record, ending.answer)
    assert detail.code == ("x" if answer else "set_aside")
    assert detail.message == ("m" if answer else "It was begun 3 times.")


def test_a_code_has_one_status():
    refusals = {*REFUSALS.values(), *VALIDATION_REFUSALS.values()}
    assert len({refusal.code for refusal in refusals}) == len(refusals)
