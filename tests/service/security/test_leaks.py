"""What files and answers say of who asked, and of the machine: nothing."""

import base64
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.key_file import changed_keys
from service.key_records import issued
from service.server import Server
from service.settings import Settings

QUICK = {"prompt": "a photo of a doctor", "num_inference_steps": 1, "width": 16, "height": 16}


def test_an_image_file_says_nothing_of_who_asked(options, tmp_path, until_ready):
    new = issued("acme-incorporated", ("generate",), datetime.now(UTC), note="the marketing site")
    with changed_keys(tmp_path / "keys.json") as keys:
        keys[new.record.id] = new.record
    key = new.key.get_secret_value()
    with TestClient(create_app(Settings(**options, keys=tmp_path / "keys.json"))) as client:
        until_ready(client.get)
        client.headers["X-API-Key"] = key
        for image_format in ("png", "jpeg", "webp"):
            answer = client.post("/generate", json={**QUICK, "image_format": image_format})
            file = base64.b64decode(answer.json()["images"][0]["b64_json"])
            for private in (
                "acme-incorporated",
                key,
                new.record.id,
                "marketing",
                str(tmp_path),
                options["model"],
            ):
                assert str(private).encode() not in file
                assert str(private) not in answer.text


@pytest.mark.parametrize(
    "path", ["/readyz", "/v1/models", "/sdapi/v1/sd-models", "/vectors", "/policies", "/openapi.json"]
)
def test_no_answer_says_where_anything_is_on_the_machine(client, options, path):
    answer = client.get(path)
    assert answer.status_code == 200
    assert str(options["model"]) not in answer.text
    assert str(options["vectors"]) not in answer.text


def test_the_server_does_not_name_its_software(options):
    assert not Server(create_app(Settings(**options))).config.server_header
