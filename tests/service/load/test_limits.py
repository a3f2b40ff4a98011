"""What one request may ask for, how long it has, and what a full queue says before anything is done for it."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from fastapi.testclient import TestClient
from held_engines import slow_steps
from jobs_over_http import LONG, QUICK, has_ended

from diffusion import DiffusionModel
from policies.memory_ledger import MemoryLedger
from service.app import create_app
from service.settings import Settings, SettingsError, load_settings

LEDGER = {"assignment": "ledger", "fairness": [{"set": "gender"}]}
"""A policy that counts."""


def error_of(answer) -> Mapping[str, object]:
    assert answer.status_code >= 400, answer.text
    return answer.json()["error"]


@pytest.fixture(scope="module")
def small(options: Mapping[str, object], until_ready) -> Iterator[TestClient]:
    """A service that makes two guided images at a time, lets three wait, and has small limits."""
    limits = {"max_batch_rows": 4, "max_waiting": 3, "max_steps": 4000, "max_waiting_jobs": 1}
    times = {"timeout_s": 50, "max_timeout_s": 60, "max_pixel_steps": 32 * 32 * 3000}
    with TestClient(
        create_app(Settings(**{**options, **limits, **times, "grace_s": 0, "drain_delay_s": 0}))
    ) as client:
        until_ready(client.get)
        yield client


def test_more_pixels_times_steps_than_may_be_is_refused_with_what_would_do(small, model: DiffusionModel):
    height, width = model.default_size
    most = 32 * 32 * 3000 // (height * width)
    error = error_of(
        small.post("/generate", json={**QUICK, "num_inference_steps": most // 2, "num_images": 3})
    )
    assert (error["code"], error["field"], error["value"]) == ("too_much_work", "num_images", 3)
    assert "at most 2 such images" in error["cure"]
    error = error_of(small.post("/policies/explain", json={**QUICK, "num_inference_steps": most + 1}))
    assert "fewer steps" in error["cure"]


def test_a_picture_that_the_device_could_not_hold_alone_is_refused_by_name(small):
    engine = small.app.state.readiness.generation().loaded.engine
    # As after a step of two rows of this size that did not fit.
    engine._loop._admission.set_capacity(engine.model.latent_shape(24, 32)[1:], 1)
    asked = {**QUICK, "height": 24, "width": 32, "policy": {}}
    answer = small.post("/generate", json=asked)
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["field"], error["value"]) == (
        422,
        "image_too_large",
        "width",
        32,
    )
    assert "24 x 32 pixels takes 2 rows of the U-Net, and the device holds 1" in error["message"]
    assert "guidance_scale 1" in error["cure"]
    job = until(small, small.post("/jobs", json=asked).json()["id"], has_ended)
    assert (job["state"], job["error"]["code"]) == ("failed", "image_too_large")
    assert small.post("/generate", json={**asked, "guidance_scale": 1}).status_code == 200


def test_a_request_that_is_not_made_in_its_time_is_answered_504_and_not_to_be_repeated(small):
    with slow_steps(0.01):
        answer = small.post("/generate", json={**LONG, "num_images": 2, "timeout_s": 0.3})
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["field"], error["value"]) == (
        504,
        "deadline_exceeded",
        "timeout_s",
        0.3,
    )
    assert answer.headers["x-should-retry"] == "false"
    assert "retry-after" not in answer.headers
    assert small.post("/generate", json={**QUICK, "timeout_s": 60}).status_code == 200


def test_a_request_that_still_waits_when_its_time_is_up_is_given_up(small):
    with ahead(small):
        answer = small.post("/generate", json={**QUICK, "timeout_s": 0.2})
        assert error_of(answer)["code"] == "deadline_exceeded"


def test_a_stream_that_runs_out_of_time_ends_with_the_error(small):
    with slow_steps(0.01):  # two seconds are more than planning takes, and less than the steps
        told = small.post("/generate", json={**LONG, "num_images": 2, "timeout_s": 2, "stream": True}).text
    assert '"status": 504' in told.replace('"status":504', '"status": 504')
    assert "deadline_exceeded" in told


def test_more_time_than_may_be_given_is_refused(small):
    error = error_of(small.post("/generate", json={**QUICK, "timeout_s": 61}))
    assert (error["code"], error["field"]) == ("too_much_time", "timeout_s")
    assert "POST /jobs" in error["cure"]
    for wrong in (0, -1, "5", 1e9):
        assert error_of(small.post("/generate", json={**QUICK, "timeout_s": wrong}))["field"] == "timeout_s"


def test_a_job_has_the_time_it_names_and_otherwise_as_long_as_it_takes(small):
    with slow_steps(0.01):
        late = small.post("/jobs", json={**LONG, "num_images": 2, "timeout_s": 0.5}).json()["id"]
        job = until(small, late, has_ended)
    assert (job["state"], job["error"]["code"]) == ("failed", "deadline_exceeded")
    # More than a client that waits may have.
    calm = small.post("/jobs", json={**QUICK, "timeout_s": 3600}).json()["id"]
    assert until(small, calm, has_ended)["state"] == "done"


def test_a_job_whose_time_is_up_before_its_turn_is_not_begun(small):
    with ahead(small):
        waiting = small.post("/jobs", json={**QUICK, "timeout_s": 0.2}).json()["id"]
        time.sleep(0.3)
    job = until(small, waiting, has_ended)
    assert (job["state"], job["error"]["code"]) == ("failed", "deadline_exceeded")
    assert job["progress"] == 0


def until(client: TestClient, id: str, holds) -> Mapping[str, object]:
    deadline = time.monotonic() + 120
    while not holds(job := client.get(f"/jobs/{id}").json()):
        assert time.monotonic() < deadline, job
        time.sleep(0.02)
    return job


@contextmanager
def ahead(client: TestClient) -> Iterator[None]:
    """Fill the engine with a job of two images, cancelled when the block ends."""
    with slow_steps(0.01):
        running = client.post("/jobs", json={**LONG, "num_images": 2}).json()["id"]
        until_they_run(client, 2)
        yield
        client.delete(f"/jobs/{running}")
        assert until(client, running, has_ended)["state"] == "cancelled"


def until_they_run(client: TestClient, images: int) -> None:
    """Wait until the engine takes the steps of so many images: a request in flight may not have got there yet."""
    deadline = time.monotonic() + 120
    while f"trimtab_running_rows {images}.0" not in client.get("/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def taken(monkeypatch) -> list[str]:
    """The members that the ledger gives while a test runs, in order."""
    members: list[str] = []
    take = MemoryLedger.take

    def told(ledger: MemoryLedger, key: str, target: Mapping[str, float], count: int) -> list[str]:
        members.extend(given := take(ledger, key, target, count))
        return given

    monkeypatch.setattr(MemoryLedger, "take", told)
    return members


def test_a_full_queue_is_told_before_anything_is_counted_with_the_time_its_work_takes(small, taken):
    policy = {"policy": LEDGER}
    with ThreadPoolExecutor(1) as pool, ahead(small):
        waiting = pool.submit(
            small.post, "/generate", json={**LONG, "num_images": 3, "timeout_s": 8, **policy}
        )
        engine = small.app.state.readiness.generation().loaded.engine
        deadline = time.monotonic() + 120
        while engine._loop._admission.waiting_count < 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert len(taken) == 3
        answer = small.post("/generate", json={**QUICK, **policy})
        assert (answer.status_code, error_of(answer)["code"]) == (429, "queue_full")
        # Thousands of U-Net rows x steps are ahead: more than the least that is ever told.
        assert int(answer.headers["retry-after"]) > 1
        assert float(answer.headers["retry-after-ms"]) > 1000
        assert error_of(answer)["cure"] == f"Try again in {answer.headers['retry-after']} seconds."
        assert len(taken) == 3
    assert error_of(waiting.result())["code"] == "deadline_exceeded"
    assert small.post("/generate", json=QUICK).status_code == 200


def test_a_full_queue_of_jobs_is_told_when_this_replica_takes_the_next(small, taken):
    with ahead(small):
        waiting = small.post("/jobs", json=QUICK).json()["id"]
        answer = small.post("/jobs", json={**QUICK, "policy": LEDGER})
        assert (answer.status_code, error_of(answer)["code"]) == (429, "job_queue_full")
        assert error_of(answer)["value"] == 1
        assert int(answer.headers["retry-after"]) >= 1
        assert taken == []
    assert until(small, waiting, has_ended)["state"] == "done"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"timeout_s": 4000}, "timeout_s: 4000 seconds are more than max_timeout_s, 3600"),
        ({"drain_delay_s": 30}, "drain_delay_s: 30 seconds are more than the whole grace_s, 25"),
        ({"max_connections": 0}, "max_connections = 0"),
    ],
)
def test_times_that_do_not_go_together_are_refused_at_start(given, said):
    with pytest.raises(SettingsError, match=said):
        load_settings(given)
