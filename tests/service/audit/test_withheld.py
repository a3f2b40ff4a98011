"""Pictures that a screen blocks or has made again have their lines too."""

import base64
import io

import pytest
from PIL import Image
from told_detector import ToldDetector

import service.loading
from detectors import Sign, UnsafeDetector
from policies.responsible_phrases import shipped_phrases
from service.audit.reading import open_chains
from service.audit.record import image_digest
from service.audit.replay import lines_to_replay, replay
from service.screen import Screen
from service.settings import Settings

CLEAN, HEART = {"heart": "no"}, {"heart": "yes"}
ASKED = {"prompt": "a photo of a doctor", "num_inference_steps": 2, "seed": 7}
SAFETY = [{"concept": "anti-sexual", "strength": 1.0}]


@pytest.fixture
def told(monkeypatch):
    """Has the service's detector say what it is told."""

    def say(*readings):
        detector = ToldDetector(readings)
        looks = UnsafeDetector(detector, {"sexual": Sign("heart", "yes")})
        monkeypatch.setattr(service.loading, "open_screen", lambda _settings: Screen(looks))
        return detector

    return say


def test_a_blocked_picture_has_a_line_and_its_pixels_are_those_that_were_withheld(
    served, tmp_path, logged, told
):
    path, detector = tmp_path / "audit.jsonl", told(CLEAN, HEART)
    policy = {"safety": SAFETY, "screen": {"on_finding": "block"}}
    with served(path) as client:
        images = client.post("/generate", json={**ASKED, "num_images": 2, "policy": policy}).json()["images"]
    assert [image["b64_json"] is None for image in images] == [False, True]
    assert [entry.outcome for entry in logged(path).images] == ["served", "withheld"]
    (withheld,) = logged(path, screen="blocked").images
    assert withheld.screen.attempts[-1].found == ("sexual",)
    assert withheld.image_digest == image_digest(detector.shown[1])
    assert len(logged(path, outcome="withheld").images) == len(logged(path, screen="passed").images) == 1


def test_a_picture_that_was_made_again_is_the_one_in_the_line_and_is_replayed(served, tmp_path, logged, told):
    path = tmp_path / "audit.jsonl"
    told(CLEAN, HEART, CLEAN, CLEAN)
    policy = {"safety": SAFETY, "screen": {"on_finding": "retry", "attempts": 2}}
    with served(path) as client:
        answer = client.post("/generate", json={**ASKED, "num_images": 3, "policy": policy})
        images = answer.json()["images"]
        loaded = client.app.state.readiness.generation().loaded
        for number, image in enumerate(images):
            with Image.open(io.BytesIO(base64.b64decode(image["b64_json"]))) as picture:
                digest = image_digest(picture)
            entry, request = lines_to_replay(
                open_chains(str(path), Settings()), f"{answer.headers['x-trimtab-id']}:{number}"
            )
            assert (entry.image_digest, entry.sampling.seed) == (digest, image["seed"])
            assert replay(entry, request, loaded, shipped_phrases()).is_equal
    assert [entry.screen.outcome for entry in logged(path).images] == ["passed", "retried", "passed"]
    (retried,) = logged(path, screen="retried").images
    assert retried.sampling.seed not in (7, 8, 9)
