import json
import math
from collections.abc import Mapping

import pytest
from fastapi.testclient import TestClient

GOOD = {"prompt": "a photo of a doctor", "num_inference_steps": 1}


def refused(client: TestClient, status: int, code: str, **changes: object) -> Mapping[str, object]:
    """The error with which POST /generate answers, in the one form of all errors."""
    answer = client.post("/generate", content=json.dumps({**GOOD, **changes}), headers=JSON)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "field", "value", "cure"}
    assert error["code"] == code, error
    assert error["message"]
    assert error["cure"]
    return error


JSON = {"Content-Type": "application/json"}


def gender(**target: float) -> Mapping[str, object]:
    return {"fairness": [{"set": "gender", "target": target}]}


def safety(concept: str, **more: object) -> Mapping[str, object]:
    return {"safety": [{"concept": concept, **more}]}


@pytest.mark.parametrize(
    ("changes", "code", "field", "value", "cure"),
    [
        ({"prompt": ""}, "empty_prompt", "prompt", "", "Say what"),
        ({"prompt": " \n"}, "empty_prompt", "prompt", " \n", "Say what"),
        ({"prompt": "dog " * 30}, "overlong_prompt", "prompt", "dog " * 30, "at least 16 tokens"),
        ({"negative_prompt": "dog " * 30}, "overlong_prompt", "negative_prompt", "dog " * 30, "Shorten"),
        ({"num_images": 9}, "too_many_images", "num_images", 9, "at most 8"),
        ({"num_inference_steps": 151}, "too_many_steps", "num_inference_steps", 151, "at most 150"),
        ({"scheduler": "eulr"}, "unknown_scheduler", "scheduler", "eulr", "'euler'"),
        ({"height": 100}, "impossible_size", "height", 100, "96 or 104"),
        ({"width": 4}, "impossible_size", "width", 4, "8 or 16"),
        ({"height": 2048, "width": 1024}, "image_too_large", "height", 2048, "1048576 pixels"),
        ({"policy": "defalt"}, "unknown_policy", "policy", "defalt", "'default'"),
        (
            {"policy": safety("anti-sexul")},
            "unknown_concept",
            "policy.safety.0.concept",
            "anti-sexul",
            "There",
        ),
        (
            {"policy": {"fairness": [{"set": "gendre"}]}},
            "unknown_set",
            "policy.fairness.0.set",
            "gendre",
            "'gender'",
        ),
        (
            {"policy": gender(woman=0.5, man=0.4)},
            "invalid_probabilities",
            "policy.fairness.0.target",
            None,
            "1",
        ),
        ({"policy": gender(woman=2, man=-1)}, "invalid_probabilities", "policy.fairness.0.target", None, "1"),
        ({"policy": gender(woman=0.5, dog=0.5)}, "unknown_member", "policy.fairness.0.target", "dog", "man"),
        (
            {"policy": safety("anti-sexual", strength=3.5)},
            "strength_out_of_range",
            "policy.safety.0.strength",
            3.5,
            "between -3 and 3",
        ),
        (
            {"policy": safety("anti-sexual", strength=0)},
            "strength_out_of_range",
            "policy.safety.0.strength",
            0,
            "other than 0",
        ),
        (
            {"policy": {"safety": [{"concept": "anti-sexual"}] * 2}},
            "conflicting_rules",
            "policy.safety",
            "anti-sexual",
            "once",
        ),
        ({"promt": "a dog"}, "unknown_field", "promt", "a dog", "'prompt'"),
        (
            {"policy": safety("anti-sexual", weight=1)},
            "unknown_field",
            "policy.safety.0.weight",
            1,
            "Remove",
        ),
        ({"num_images": 0}, "invalid_request", "num_images", 0, "greater than or equal to 1"),
        ({"num_images": "2"}, "invalid_request", "num_images", "2", "integer"),
        ({"num_images": True}, "invalid_request", "num_images", True, "integer"),
        ({"seed": -1}, "invalid_request", "seed", -1, "greater than or equal to 0"),
        ({"guidance_scale": math.nan}, "invalid_request", "guidance_scale", "nan", "finite"),
        ({"image_format": "gif"}, "invalid_request", "image_format", "gif", "'png', 'jpeg' or 'webp'"),
        ({"policy": 3}, "invalid_request", "policy", 3, "object"),
        ({"prompt": "\ud800"}, "invalid_request", "prompt", "\ud800", "unicode"),
        (
            {"scheduler": "lcm", "num_inference_steps": 51},
            "impossible_steps",
            "num_inference_steps",
            51,
            "scheduler",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_with_field_value_and_cure(client, changes, code, field, value, cure):
    error = refused(client, 422, code, **changes)
    assert error["field"] == field
    if value is not None:
        assert error["value"] == value
    assert cure in error["cure"]


def test_bad_shares_are_echoed(client):
    error = refused(client, 422, "invalid_probabilities", policy=gender(woman=0.5, man=0.4))
    assert error["value"] == {"woman": 0.5, "man": 0.4}
    assert "0.9" in error["message"]


def test_missing_prompt(client):
    answer = client.post("/generate", json={})
    assert answer.status_code == 422
    assert answer.json()["error"] == {
        "code": "missing_field",
        "message": "prompt is missing.",
        "field": "prompt",
        "value": None,
        "cure": "Give prompt.",
    }


def test_malformed_json_names_the_place(client):
    answer = client.post("/generate", content='{"prompt": ', headers=JSON)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "malformed_json"
    assert "character 11" in error["message"]


@pytest.mark.parametrize(
    ("content", "headers"),
    [("", JSON), ("[1]", JSON), ('"a dog"', JSON), ("prompt=dog", {"Content-Type": "text/plain"})],
)
def test_a_body_that_is_no_object(client, content, headers):
    answer = client.post("/generate", content=content, headers=headers)
    assert answer.status_code == 422
    assert "JSON object" in answer.json()["error"]["cure"]


@pytest.mark.parametrize("content", ["[" * 20000, '{"seed": ' + "9" * 5000 + "}", b'{"prompt": "\xff"}'])
def test_a_hostile_body_is_a_bad_request(client, content):
    answer = client.post("/generate", content=content, headers=JSON)
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["cure"]


def test_a_huge_body_is_refused(client):
    body = json.dumps({**GOOD, "prompt": "dog " * 50_000}).encode()
    for content in (body, iter([body[:60_000], body[60_000:]])):  # announced, and in chunks
        answer = client.post("/generate", content=content, headers=JSON)
        assert answer.status_code == 413
        error = answer.json()["error"]
        assert error["code"] == "body_too_large"
        assert "65536 bytes" in error["message"]
        assert "smaller" in error["cure"]


def test_a_long_value_is_echoed_in_part(client):
    error = refused(client, 422, "overlong_prompt", prompt="dog " * 1000)
    assert len(error["value"]) < 250
    assert "2000" in error["cure"]


def test_unknown_route_and_method(client):
    assert client.get("/nowhere").json()["error"]["code"] == "unknown_address"
    answer = client.get("/generate")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert answer.json()["error"]["code"] == "wrong_method"
    assert "Allow" in answer.json()["error"]["cure"]


def test_the_example_of_the_interface_is_accepted(client):
    policy = {
        "fairness": [{"set": "gender", "target": {"woman": 0.5, "man": 0.5}}],
        "safety": [{"concept": "anti-sexual", "strength": 1.0}, {"concept": "anti-violence"}],
    }
    assert client.post("/generate", json={**GOOD, "policy": policy}).status_code == 200


def test_errors_before_any_route_have_the_form_of_the_family_that_asked(client):
    for path, told in (
        ("/v1/images/edits", {"error"}),
        ("/sdapi/v1/img2img", {"error", "detail", "body", "errors"}),
        ("/hf/image-to-image", {"error", "error_type", "field", "value"}),
    ):
        answer = client.post(path, json={})
        assert answer.status_code == 404
        assert set(answer.json()) == told
        assert "unknown_address" in answer.text
    error = client.post("/v1/images/edits", json={}).json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert client.get("/elsewhere").json()["error"]["code"] == "unknown_address"
