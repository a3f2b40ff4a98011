"""Server-sent events of POST /generate, read by a real client from a real server of the demo model."""

import base64
import json
import time

import httpx2
import pytest
from held_engines import held_steps, slow_steps
from real_server import real_server, sample
from served_pictures import BLOCKING, GORGEOUS, HALF_BLOCKED, PROMPT, opened

import service.routes.event_stream
from service.screen import Screen
from service.settings import Settings

ASKED = {"prompt": PROMPT, "num_inference_steps": 4, "seed": 7}


def events(url, **changes):
    """The events of a request, each its name and data."""
    body = {**ASKED, "stream": True, **changes}
    with httpx2.stream("POST", f"{url}/generate", json=body, timeout=60) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        return [
            (event.event, json.loads(event.data))
            for event in httpx2.EventSource(response, max_event_size=None)
        ]


def of_kind(told, kind):
    return [data for name, data in told if name == kind]


def test_every_step_then_the_images_then_the_end(url):
    told = events(url, num_images=2)
    assert [name for name, _ in told if name != "queued"] == ["step"] * 8 + ["image"] * 2 + ["done"]
    for image in (0, 1):
        assert [data for data in of_kind(told, "step") if data["image"] == image] == [
            {"image": image, "step": step, "steps": 4} for step in (1, 2, 3, 4)
        ]
    whole = httpx2.post(f"{url}/generate", json={**ASKED, "num_images": 2}, timeout=60).json()
    assert of_kind(told, "image") == [{"image": n, **item} for n, item in enumerate(whole["images"])]
    (done,) = of_kind(told, "done")
    assert set(done) == {"id", "model", "timings_s"}
    assert set(done["timings_s"]) == set(whole["timings_s"])


def test_previews_are_small_pictures_of_the_steps_asked_for(url):
    previews = of_kind(events(url, num_inference_steps=6, preview_every=2), "preview")
    assert [data["step"] for data in previews][:2] == [2, 4]
    pictures = [opened(base64.b64decode(data["b64_json"])) for data in previews]
    assert all(picture.width < 64 for picture in pictures)
    assert pictures[0].tobytes() != pictures[1].tobytes()


@pytest.fixture(scope="module")
def narrow_url():
    """A service that makes one image at a time."""
    with real_server(Settings(device="cpu", max_batch_rows=2, max_steps=400)) as url:
        yield url


def test_a_request_that_waits_is_told_its_place(narrow_url):
    ahead = {**ASKED, "num_images": 2, "num_inference_steps": 400, "stream": True}
    waits = {**ASKED, "stream": True}
    with httpx2.stream("POST", f"{narrow_url}/generate", json=ahead, timeout=60) as running:
        assert next(running.iter_lines()) in ("event: queued", "event: step")
        with httpx2.stream("POST", f"{narrow_url}/generate", json=waits, timeout=60) as response:
            lines = response.iter_lines()
            assert next(lines) == "event: queued"
            position = json.loads(next(lines).removeprefix("data: "))["position"]
            running.close()
            assert "event: done" in lines
    assert position in (1, 2)  # whose turn is next is the engine's to say


def test_comments_keep_a_silent_connection_open(url, monkeypatch):
    monkeypatch.setattr(service.routes.event_stream, "SILENCE_S", 0.001)
    body = {**ASKED, "stream": True}
    with (
        held_steps() as held,
        httpx2.stream("POST", f"{url}/generate", json=body, timeout=60) as response,
    ):
        lines = response.iter_lines()
        assert ": nothing new" in lines
        held.let_go()
        assert list(lines).count("event: done") == 1


def test_a_client_that_leaves_frees_the_rows(url):
    names = ('trimtab_requests_total{outcome="cancelled"}', "trimtab_images_total", "trimtab_step_rows_sum")
    before = [sample(url, name) for name in names]
    body = {**ASKED, "stream": True, "num_images": 8, "num_inference_steps": 400}
    with slow_steps(0.01), httpx2.stream("POST", f"{url}/generate", json=body, timeout=60) as response:
        assert "event: step" in response.iter_lines()
    in_use = ("requests_in_flight", "running_rows", "waiting_rows")
    deadline = time.monotonic() + 60
    while any(sample(url, f"trimtab_{name}") > 0 for name in in_use):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    cancelled, images, steps = (sample(url, name) - then for name, then in zip(names, before, strict=True))
    assert (cancelled, images) == (1, 0)
    assert 0 < steps < 8 * 400
    assert events(url)[-1][0] == "done"


def test_what_is_refused_at_once_is_answered_as_everywhere(url):
    for changes, status, code in (
        ({"scheduler": "eulr"}, 422, "unknown_scheduler"),
        ({"num_inference_steps": 140, "scheduler": "lcm"}, 422, "impossible_steps"),
        ({"stream": "yes"}, 422, "invalid_request"),
    ):
        answer = httpx2.post(f"{url}/generate", json={**ASKED, "stream": True, **changes}, timeout=60)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_streams_are_counted_with_their_images(url):
    names = ('trimtab_requests_total{outcome="ok"}', "trimtab_images_total", "trimtab_request_seconds_count")
    before = [sample(url, name) for name in names]
    events(url, num_images=3)
    assert [sample(url, name) - then for name, then in zip(names, before, strict=True)] == [1, 3, 1]


def test_a_blocked_image_has_no_picture(url):
    told = events(url, prompt=GORGEOUS, num_images=4, **HALF_BLOCKED, policy=BLOCKING, preview_every=4)
    images = of_kind(told, "image")
    assert {image["b64_json"] is None for image in images} == {True, False}
    assert all((image["b64_json"] is None) == (image["blocked"] is not None) for image in images)
    # Nobody has looked at a preview.
    assert of_kind(told, "preview") == []


@pytest.fixture
def broken_screen(monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(Screen, "find", fail)


def test_a_failure_on_the_way_ends_the_stream_with_an_error(url, broken_screen):
    *_, (name, data) = events(url, policy=BLOCKING)
    assert name == "error"
    assert (data["status"], data["error"]["code"]) == (500, "internal_error")
    assert "secret" not in json.dumps(data)
