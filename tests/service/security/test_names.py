"""Names that are paths, lines of a log or headers, and nothing but names here."""

import logging
from urllib.parse import quote

import pytest

from service.http_errors import explained

QUICK = {"prompt": "a photo of a doctor", "num_inference_steps": 1, "width": 16, "height": 16}
PATHS = (
    "../../../etc/passwd",
    "..\\..\\etc\\passwd",
    "/etc/passwd",
    "woman/../../x",
    "%2e%2e%2fx",
    "a\0b",
    "~root",
    "C:\\x",
)
FORGED = "x\r\nX-Forged: 1\r\n\r\nforged"


@pytest.mark.parametrize("name", PATHS)
def test_a_path_names_nothing(client, name):
    inside = quote(name, safe="")
    for address in (f"/vectors/{inside}", f"/images/{inside}", f"/v1/models/{inside}", f"/jobs/{inside}"):
        answer = client.get(address)
        assert answer.status_code == 404, address
        assert "root:" not in answer.text
    for address in (f"/admin/vectors/{inside}", f"/admin/vectors/{inside}/1", f"/jobs/{inside}"):
        assert client.delete(address).status_code in (404, 422), address


@pytest.mark.parametrize("name", PATHS)
def test_a_path_is_no_policy_no_scheduler_and_no_concept(client, name):
    for changes, code in (
        ({"policy": name}, "unknown_policy"),
        ({"scheduler": name}, "unknown_scheduler"),
        ({"policy": {"safety": [{"concept": name}]}}, "invalid_request"),
        ({"policy": {"fairness": [{"set": name}]}}, "invalid_request"),
    ):
        answer = client.post("/generate", json={**QUICK, **changes})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)


def test_what_is_sent_makes_no_header(client):
    requests = (
        ("/generate", {**QUICK, "prompt": FORGED}),
        ("/generate", {**QUICK, "policy": FORGED}),
        ("/generate", {**QUICK, FORGED: 1}),
        (
            "/v1/images/generations",
            {"prompt": FORGED, "size": "16x16", "num_inference_steps": 1, "user": FORGED},
        ),
        ("/sdapi/v1/txt2img", {"prompt": FORGED, "steps": 1, "width": 16, "height": 16, "styles": [FORGED]}),
        (
            "/hf/text-to-image",
            {"inputs": FORGED, "parameters": {"num_inference_steps": 1, "width": 16, "height": 16}},
        ),
        ("/jobs", {**QUICK, "prompt": FORGED}),
    )
    for path, body in requests:
        for accept in ("application/json", "image/png"):
            answer = client.post(path, json=body, headers={"Accept": accept})
            assert "x-forged" not in answer.headers, path
            assert "forged" not in str(answer.headers).lower(), path
    answer = client.get(f"/vectors/{quote(FORGED)}")
    assert answer.status_code == 404
    assert "x-forged" not in answer.headers


def test_what_is_sent_makes_no_line_of_the_log(caplog):
    with caplog.at_level(logging.DEBUG):
        explained(RuntimeError("broken"), "/vectors/x\n2026-01-01 ERROR forged\x1b[2J")
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    assert "\x1b" not in record.getMessage()
    assert "forged" not in record.getMessage()
