"""What is said where a vector acts on the unconditional rows of guidance alone, and there is no guidance."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import BytesIO

import pytest
from fastapi.testclient import TestClient
from jobs_over_http import QUICK
from PIL import Image

from service.app import create_app
from service.settings import Settings
from vectors import VectorLibrary

VIOLENCE = {"safety": [{"concept": "anti-violence"}]}


@pytest.fixture(scope="module")
def client(options, library, tmp_path_factory, until_ready) -> Iterator[TestClient]:
    """A service whose vector against violence goes on the unconditional rows alone."""
    own = VectorLibrary(tmp_path_factory.mktemp("unconditional"))
    for stored in library.list():
        is_it = stored.vector.concept == "anti-violence"
        own.publish(replace(stored.vector, halves="unconditional") if is_it else stored.vector)
    with TestClient(create_app(Settings(**{**options, "vectors": own.root}))) as client:
        until_ready(client.get)
        yield client


def pixels(item: Mapping[str, str]) -> bytes:
    return Image.open(BytesIO(base64.b64decode(item["b64_json"]))).tobytes()


def answered(client: TestClient, policy: Mapping[str, object] | str, **asked: object) -> Mapping[str, object]:
    return client.post("/generate", json={**QUICK, "policy": policy, **asked}).json()


@pytest.mark.parametrize(
    "policy", [VIOLENCE, {"safety": [{"concept": "anti-violence", "by": "vector"}]}, "default"]
)
@pytest.mark.parametrize("route", ["/generate", "/policies/explain", "/jobs"])
def test_a_rule_that_could_not_act_is_refused_by_name(client, policy, route):
    answer = client.post(route, json={**QUICK, "policy": policy, "guidance_scale": 1.0})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"], error["value"]) == (
        422,
        "too_little_guidance",
        "guidance_scale",
        1.0,
    )
    assert "anti-violence would not act" in error["message"]
    assert "more than 1" in error["cure"]


def test_other_rules_act_without_guidance(client):
    (image,) = answered(client, {"safety": [{"concept": "anti-sexual"}]}, guidance_scale=1.0)["images"]
    assert [one["concept"] for one in image["applied"]] == ["anti-sexual"]


def test_with_guidance_it_acts(client):
    (plain,) = answered(client, "research-off")["images"]
    (image,) = answered(client, {"safety": [{"concept": "anti-violence", "by": "vector"}]})["images"]
    assert [one["concept"] for one in image["applied"]] == ["anti-violence"]
    assert pixels(image) != pixels(plain)
