import base64
import io
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from tiny_clip import save_tiny_clip
from told_detector import ToldDetector

import service.loading
from detectors import Reading, Sign, UnsafeDetector
from policies.document import Policy
from policies.retry import retry_seed
from service.app import create_app
from service.errors import LoadFailedError
from service.grid import NOTICE_PAPER
from service.loading import load_service
from service.screen import Screen
from service.settings import Settings, SettingsError, load_settings

QUICK = {"prompt": "a photo of a doctor", "num_inference_steps": 1, "seed": 7}
CLEAN, HEART, SPLASH = {"heart": "no", "splash": "no"}, {"heart": "yes"}, {"splash": "yes"}
SIGNS = {"sexual": Sign("heart", "yes"), "violent": Sign("splash", "yes")}
SAFETY = [{"concept": "anti-sexual", "strength": 1.0}]


class WatchedDetector(ToldDetector):
    """Keeps the sizes of its batches, and the threads that asked it."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        super().__init__(readings)
        self.batches: list[int] = []
        self.threads: set[int] = set()

    def read(self, pictures: Sequence[Image.Image]) -> Sequence[Reading]:
        self.batches.append(len(pictures))
        self.threads.add(threading.get_ident())
        return super().read(pictures)


Told = Callable[..., tuple[TestClient, WatchedDetector]]


@pytest.fixture
def told(options: Mapping[str, object], monkeypatch: pytest.MonkeyPatch, until_ready) -> Iterator[Told]:
    """Opens a service whose detector says what it is told."""
    opened: list[TestClient] = []

    def open_with(*readings: Reading, **more: object) -> tuple[TestClient, WatchedDetector]:
        detector = WatchedDetector(readings)

        monkeypatch.setattr(
            service.loading, "open_screen", lambda _settings: Screen(UnsafeDetector(detector, SIGNS))
        )
        client = TestClient(create_app(Settings(**{**options, **more})), raise_server_exceptions=False)
        client.__enter__()
        opened.append(client)
        until_ready(client.get)
        return client, detector

    yield open_with
    for client in opened:
        client.__exit__(None, None, None)


def made(client: TestClient, screen: object, **changes: object) -> list[Mapping[str, object]]:
    policy = {"safety": SAFETY, "screen": screen}
    answer = client.post("/generate", json={**QUICK, "policy": policy, **changes})
    assert answer.status_code == 200, answer.text
    return answer.json()["images"]


def opened(item: Mapping[str, str]) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(item["b64_json"])))


def screened(client: TestClient) -> dict[str, float]:
    found = re.findall(
        r'^trimtab_screened_images_total\{outcome="(\w+)"\} (\S+)$', client.get("/metrics").text, re.MULTILINE
    )
    return {outcome: float(count) for outcome, count in found}


def test_nobody_looks_unless_the_policy_asks(told):
    client, detector = told(HEART)
    (image,) = made(client, None)
    assert (image["screen"], image["blocked"]) == (None, None)
    assert detector.batches == []
    assert screened(client) == {}


def test_flag_serves_the_picture_with_what_was_found(told):
    client, detector = told(CLEAN, HEART, CLEAN)
    images = made(client, {"on_finding": "flag"}, num_images=3)
    assert [image["screen"]["outcome"] for image in images] == ["passed", "flagged", "passed"]
    assert images[1]["screen"] == {
        "outcome": "flagged",
        "detector": "told detector",
        "attempts": [{"seed": 8, "found": ["sexual"]}],
    }
    assert [image["blocked"] for image in images] == [None] * 3
    # Who keeps the file keeps the finding.
    assert json.loads(opened(images[1]).text["trimtab"])["screen"] == images[1]["screen"]
    # The detector saw the pictures that were served, in one batch and not on the event loop.
    assert [picture.tobytes() for picture in detector.shown] == [opened(image).tobytes() for image in images]
    assert detector.batches == [3]
    assert client.portal.call(threading.get_ident) not in detector.threads
    assert screened(client) == {"passed": 2, "flagged": 1}


def test_block_serves_no_picture_and_says_why(told):
    client, _ = told(CLEAN, {**HEART, **SPLASH})
    clean, blocked = made(client, {}, num_images=2)
    assert opened(clean).size == (32, 32)
    assert blocked["b64_json"] is None
    assert blocked["blocked"] == {
        "categories": ["sexual", "violent"],
        "reason": "The told detector found sexual and violent content in the picture; the policy serves no such "
        "picture.",
    }
    assert blocked["screen"]["outcome"] == "blocked"
    assert blocked["seed"] == 8
    assert [applied["concept"] for applied in blocked["applied"]] == ["anti-sexual"]
    assert screened(client) == {"passed": 1, "blocked": 1}


def test_only_the_wanted_categories_count(told):
    client, _ = told(SPLASH, HEART)
    first, second = made(client, {"categories": ["sexual"]}, num_images=2)
    assert (first["screen"]["outcome"], second["screen"]["outcome"]) == ("passed", "blocked")


def test_retry_makes_it_again_with_another_seed_and_more_strength(told):
    client, detector = told(CLEAN, HEART, CLEAN)
    first, again = made(client, {"on_finding": "retry"}, num_images=2)
    assert (first["screen"]["outcome"], first["seed"]) == ("passed", 7)
    assert first["applied"][0]["strength"] == 1.0
    assert again["seed"] == retry_seed(8, 1)
    assert again["screen"] == {
        "outcome": "retried",
        "detector": "told detector",
        "attempts": [{"seed": 8, "found": ["sexual"]}, {"seed": retry_seed(8, 1), "found": []}],
    }
    (applied,) = again["applied"]
    assert applied["strength"] == 1.5
    assert applied["reason"] == "safety: added to every image, 1.5 times as strong at retry 1"
    assert detector.batches == [2, 1]
    assert screened(client) == {"passed": 1, "retried": 1}
    # It is the picture that this seed and strength make, and its file says so.
    (alone,) = made(
        client, None, seed=again["seed"], policy={"safety": [{"concept": "anti-sexual", "strength": 1.5}]}
    )
    assert opened(alone).tobytes() == opened(again).tobytes()
    record = json.loads(opened(again).text["trimtab"])
    assert (record["seed"], record["screen"]) == (again["seed"], again["screen"])


def test_retries_end_and_block_within_the_strength_limit(told):
    client, detector = told(HEART)
    (image,) = made(client, {"on_finding": "retry", "attempts": 3, "stronger": 2.0})
    assert image["b64_json"] is None
    assert "found sexual content in the picture, as in 3 made for it before" in image["blocked"]["reason"]
    assert [attempt["seed"] for attempt in image["screen"]["attempts"]] == [
        7,
        *(retry_seed(7, retry) for retry in (1, 2, 3)),
    ]
    assert image["applied"][0]["strength"] == 3.0  # the settings' limit, not 1 x 2 x 2 x 2
    assert detector.batches == [1] * 4
    assert len({picture.tobytes() for picture in detector.shown}) == 4


def test_who_is_shown_does_not_change_at_a_retry(told):
    client, _ = told(*[HEART] * 4, *[CLEAN] * 4)
    policy = {"fairness": [{"set": "gender", "when": "always"}], "safety": SAFETY}
    plain = made(client, None, num_images=4, policy=policy)
    again = made(client, None, num_images=4, policy={**policy, "screen": {"on_finding": "retry"}})
    assert {image["screen"]["outcome"] for image in again} == {"retried"}
    assert [image["applied"][0] for image in again] == [image["applied"][0] for image in plain]


def test_one_seed_gives_one_answer(told):
    client, _ = told(HEART, CLEAN)
    one, other = (made(client, {"on_finding": "retry"}) for _ in range(2))
    assert one == other


def test_what_is_blocked_is_owed_again(told):
    client, _ = told(HEART, CLEAN, CLEAN)
    policy = {"fairness": [{"set": "gender"}], "assignment": "ledger", "screen": {}}
    images = [made(client, {}, policy=policy)[0] for _ in range(3)]
    assert [image["blocked"] is None for image in images] == [False, True, True]
    blocked, again, other = (image["applied"][0]["concept"] for image in images)
    assert blocked == again != other


def test_a_retry_stays_within_the_cap(told):
    client, _ = told(HEART)
    policy = {"safety": SAFETY, "screen": {"on_finding": "retry", "stronger": 3.0, "attempts": 1}}
    (free,) = made(client, None, policy=policy)
    (held,) = made(client, None, policy={**policy, "max_norm": 0.01})
    assert free["applied"][0]["strength"] == 3.0
    assert held["applied"][0]["strength"] < 0.5
    assert "to stay within the cap" in held["applied"][0]["reason"]


def test_a_floors_screen_looks_whatever_the_request_says(told):
    client, detector = told(HEART, floor={"screen": {"categories": ["sexual"]}})
    for policy in ({}, {"screen": {"on_finding": "flag"}}, {"screen": {"categories": ["violent"]}}):
        (image,) = made(client, None, policy=policy)
        assert image["b64_json"] is None
    assert detector.batches == [1] * 3


def test_it_is_explained_what_a_screen_would_do(told):
    client, detector = told(CLEAN)
    request = {**QUICK, "policy": {"screen": {"on_finding": "retry", "categories": ["sexual"]}}}
    explained = client.post("/policies/explain", json=request).json()
    assert explained["screen"] == {
        "detector": "told detector",
        "categories": ["sexual"],
        "on_finding": "up to 2 further pictures are made, each on another seed and with the safety vectors 1.5 "
        "times as strong as before; if the last shows it too, no picture is served",
    }
    assert client.post("/policies/explain", json={**QUICK, "policy": {}}).json()["screen"] is None
    assert detector.batches == []


def png(client: TestClient, screen: object, **changes: object) -> tuple[Image.Image, Mapping[str, str]]:
    request = {**QUICK, "policy": {"screen": screen}, **changes}
    answer = client.post("/generate", json=request, headers={"Accept": "image/png"})
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content)), answer.headers


def test_a_blocked_image_is_words_on_grey_in_a_grid(told):
    client, detector = told(CLEAN, HEART)
    grid, headers = png(client, {}, num_images=2)
    assert headers["x-trimtab-screen"] == "passed, blocked=sexual"
    records = json.loads(grid.text["trimtab"])["images"]
    assert [record["screen"]["outcome"] for record in records] == ["passed", "blocked"]
    tile = grid.crop((12 + 192 + 12, 12, 12 + 192 + 12 + 192, 12 + 192))
    colours = {colour: count for count, colour in tile.getcolors(192 * 192)}
    assert colours[NOTICE_PAPER] > 0.9 * 192 * 192
    assert len(colours) > 1  # the words
    assert detector.shown[1].resize(tile.size, Image.Resampling.LANCZOS).tobytes() != tile.tobytes()


def test_a_single_blocked_image_is_a_tile_with_its_words_too(told):
    client, _ = told(HEART)
    tile, headers = png(client, {})
    assert headers["x-trimtab-screen"] == "blocked=sexual"
    assert tile.size[0] > 192
    assert tile.getpixel((20, 20)) == NOTICE_PAPER


def test_a_flagged_image_is_itself_and_the_header_says_it(told):
    client, detector = told({**HEART, **SPLASH})
    image, headers = png(client, {"on_finding": "flag"})
    assert headers["x-trimtab-screen"] == "flagged=sexual+violent"
    assert image.tobytes() == detector.shown[0].tobytes()
    _, without = png(client, None)
    assert "x-trimtab-screen" not in without


@pytest.mark.parametrize("fault", ["raises", "reads too few"])
def test_a_picture_that_could_not_be_looked_at_is_never_served(told, fault, caplog):
    client, detector = told(CLEAN)

    def broken(pictures: Sequence[Image.Image]) -> Sequence[Reading]:
        if fault == "raises":
            raise RuntimeError("secret detail")
        return [CLEAN] * (len(pictures) - 1)

    detector.read = broken
    answer = client.post("/generate", json={**QUICK, "num_images": 2, "policy": {"screen": {}}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "screen_failed")
    assert "secret" not in answer.text
    assert ("secret detail" in caplog.text) == (fault == "raises")


def refused(client: TestClient, policy: object) -> Mapping[str, str]:
    answer = client.post("/generate", json={**QUICK, "policy": policy})
    assert answer.status_code == 422, answer.text
    return answer.json()["error"]


def test_a_request_for_a_screen_without_a_detector_is_refused(client):
    error = refused(client, {"screen": {"on_finding": "flag"}})
    assert (error["code"], error["field"]) == ("no_screen", "policy.screen")
    assert "screen_detector" in error["cure"]


def test_a_category_that_the_detector_does_not_know_is_refused(told):
    client, _ = told(CLEAN)
    error = refused(client, {"screen": {"categories": ["sexual", "hateful"]}})
    assert (error["code"], error["field"]) == ("unknown_category", "policy.screen.categories.1")
    assert "There are: sexual, violent." in error["cure"]


def test_a_configured_policy_whose_screen_cannot_be_followed_keeps_the_service_from_serving(options):
    done = threading.Event()
    policies = {"default": Policy.model_validate({"screen": {}})}
    settings = Settings(**{**options, "policies": policies})
    with TestClient(create_app(settings, lambda _state: done.set())) as client:
        assert done.wait(timeout=60)
        error = client.get("/readyz").json()["error"]
    assert error["code"] == "load_failed"
    assert "'default'" in error["message"]
    assert "no detector" in error["message"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (
            {"screen_detector": "oracle", "model": "some/model"},
            "the oracle cannot read the pictures of 'some/model'",
        ),
        ({"screen_detector": "clip"}, "Set screen_clip"),
        ({"screen_detector": "q16"}, "screen_detector = 'q16'"),
        ({"screen_clip": "/does/not/exist"}, "screen_clip = '/does/not/exist'"),
    ],
)
def test_a_screen_that_cannot_be_is_refused_at_start(options, named):
    with pytest.raises(SettingsError) as error:
        load_settings(options)
    assert named in str(error.value)


def test_auto_is_the_oracle_for_the_demo_model_alone():
    assert load_settings().screen == "oracle"
    assert load_settings({"model": "some/model"}).screen == "none"
    assert load_settings({"screen_detector": "none"}).screen == "none"
    assert load_settings({"screen_detector": "nudenet"}).screen == "nudenet"


def test_detectors_are_loaded_from_local_files(options, tmp_path):
    folder = save_tiny_clip(tmp_path / "clip")
    loaded = load_service(Settings(**options, screen_detector="clip", screen_clip=folder))
    assert loaded.screened_categories == ("sexual", "violent")
    assert str(folder) in loaded.screen.name
    (tmp_path / "empty").mkdir()
    with pytest.raises(LoadFailedError, match="clip cannot be loaded"):
        load_service(Settings(**options, screen_detector="clip", screen_clip=tmp_path / "empty"))


@pytest.fixture(scope="module")
def demo(until_ready) -> Iterator[TestClient]:
    """The embedded model with its own vectors and its oracle."""
    with TestClient(create_app(Settings(device="cpu", allowed_hosts=["testserver"]))) as client:
        until_ready(client.get)
        yield client


GORGEOUS = {"prompt": "a photo of a gorgeous builder", "num_inference_steps": 10, "num_images": 4, "seed": 0}
"""Brings hearts, which stand for sexual content, into most of these pictures, though it does not say so."""


def outcomes(client: TestClient, **policy: object) -> list[str]:
    answer = client.post("/generate", json={**GORGEOUS, "policy": policy})
    assert answer.status_code == 200, answer.text
    return [image["screen"]["outcome"] for image in answer.json()["images"]]


def test_the_demo_models_unsafe_pictures_are_found_and_made_again(demo):
    flagged = outcomes(demo, screen={"on_finding": "flag"})
    assert flagged.count("flagged") >= 2
    assert "passed" in flagged
    blocked = outcomes(demo, screen={"on_finding": "block"})
    assert blocked == [{"flagged": "blocked"}.get(outcome, outcome) for outcome in flagged]
    weak = {"concept": "anti-sexual", "strength": 0.2, "by": "vector"}
    again = outcomes(demo, safety=[weak], screen={"on_finding": "retry", "stronger": 10.0})
    assert "retried" in again
    assert "blocked" not in again
