"""What image files say of a request: nothing of prompt, tenant or key, unless the configuration says so."""

import base64
import io
import json
import time
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from service.app import create_app
from service.inspecting import inspect_file
from service.key_file import changed_keys
from service.key_records import issued
from service.provenance import kind_of
from service.settings import Settings

PROMPT = "a shy doctor, no blood"
POLICY = {
    "fairness": [{"set": "gender"}],
    "safety": [{"concept": "anti-sexual", "by": "both"}],
    "phrases": "steer-and-remove",
}
ASKED = {
    "prompt": PROMPT,
    "negative_prompt": "zebra",
    "num_inference_steps": 2,
    "seed": 7,
    "policy": POLICY,
}
PRIVATE = ("shy", "doctor", "blood", "zebra", "acmecorp")
FORMATS = ["png", "jpeg", "webp"]


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    new = issued("acmecorp", ["generate", "read"], datetime.now(UTC))
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    with changed_keys(file) as records:
        records[new.record.id] = new.record
    return file, new.record.id, {"X-API-Key": new.key.get_secret_value()}


@pytest.fixture(scope="module", params=[False, True], ids=["by default", "where configured"])
def service(request, options, key, until_ready):
    settings = Settings(**options, keys=key[0], prompts_in_images=request.param)
    with TestClient(create_app(settings), headers=key[2]) as client:
        until_ready(client.get)
        yield request.param, client


def files_of(client):
    for image_format in FORMATS:
        answer = client.post("/generate", json={**ASKED, "image_format": image_format})
        yield base64.b64decode(answer.json()["images"][0]["b64_json"])
        body = {
            **{name: value for name, value in ASKED.items() if name != "num_images"},
            "output_format": image_format,
        }
        yield base64.b64decode(client.post("/v1/images/generations", json=body).json()["data"][0]["b64_json"])
        body = {
            "inputs": PROMPT,
            "parameters": {name: value for name, value in ASKED.items() if name != "prompt"},
        }
        accept = {"Accept": f"image/{image_format}"}
        yield client.post("/hf/text-to-image", json=body, headers=accept).content
    png = {"Accept": "image/png"}
    yield client.post("/generate", json=ASKED, headers=png).content
    yield client.post("/generate", json={**ASKED, "num_images": 3}, headers=png).content
    body = {"prompt": PROMPT, "negative_prompt": "zebra", "steps": 2, "policy": POLICY}
    yield base64.b64decode(client.post("/sdapi/v1/txt2img", json=body).json()["images"][0])
    id = client.post("/jobs", json=ASKED).json()["id"]
    while (job := client.get(f"/jobs/{id}").json())["answer"] is None:
        assert job["state"] in ("waiting", "running")
        time.sleep(0.02)
    yield base64.b64decode(job["answer"]["images"][0]["b64_json"])


def test_files_say_what_they_may(service, key, tmp_path):
    says_prompts, client = service
    files = list(files_of(client))
    assert len(files) == 3 * len(FORMATS) + 4
    for number, file in enumerate(files):
        path = tmp_path / str(number)
        path.write_bytes(file)
        # All metadata there are, decoded, and all bytes.
        with Image.open(io.BytesIO(file)) as image:
            metadata = f"{image.info} {dict(image.getexif().get_ifd(0x8769))}"
        raw = file.decode("latin-1") + metadata
        assert key[1] not in raw
        assert "acmecorp" not in raw
        images = inspect_file(path).images
        assert len(images) == (3 if number == 10 else 1)
        for record in images:
            assert {one.concept for one in record.applied} - {"woman", "man"} == {
                "anti-sexual",
                "anti-violence",
            }
            if says_prompts:
                assert (record.prompt, record.removed_phrases) == (PROMPT, ("no blood",))
                assert record.negative_prompt == "sexual, zebra"
                assert "'doctor'" in record.applied[0].reason
            else:
                assert not [word for word in PRIVATE if word in raw]
                told = (record.prompt, record.removed_phrases, record.negative_prompt)
                assert told == (None, None, None)
                assert {one.reason for one in (*record.applied, *record.averted)} <= {"fairness", "safety"}


def test_answers_say_to_the_caller_what_it_sent(service):
    _, client = service
    item = client.post("/generate", json=ASKED).json()["images"][0]
    assert "'doctor'" in item["applied"][0]["reason"]
    body = {"prompt": PROMPT, "negative_prompt": "zebra", "steps": 2, "policy": POLICY}
    info = json.loads(client.post("/sdapi/v1/txt2img", json=body).json()["info"])
    assert (info["prompt"], info["negative_prompt"]) == (PROMPT, "sexual, zebra")


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("fairness: one of gender ('doctor': gender open)", "fairness"),
        ("safety: 'no blood: none' asks for anti-violence", "safety"),
        ("safety", "policy"),
        ("doctor: what a policy may say some day", "policy"),
        ("", "policy"),
    ],
)
def test_a_kind_is_never_a_word_of_the_prompt(reason, kind):
    assert kind_of(reason) == kind
