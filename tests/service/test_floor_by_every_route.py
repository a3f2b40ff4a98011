"""Every field of every route that makes images is tried as a way round the floor; a new one fails here until it is."""

import base64
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest
from fastapi.testclient import TestClient
from held_floor import HELD_WORDS, USUAL
from httpx2 import Response
from jobs_over_http import events_of
from PIL import Image
from pydantic import BaseModel

from service.schemas import GenerateRequest
from service.wire.huggingface import Parameters, TextToImageRequest
from service.wire.jobs import JobBody
from service.wire.native import GenerateBody
from service.wire.openai import ImagesRequest
from service.wire.webui import Txt2ImgRequest
from service.wire.webui_fields import NEUTRAL

OFF = {"safety": [{"concept": "anti-sexual", "strength": -3.0}]}
POLICIES = ["research-off", {}, OFF, {"safety": [{"concept": "opposed"}]}]
TEXTS = ["sexual", "anti-sexual: -3", "<lora:opposed:1>", "(sexual:3.0), BREAK, [anti-sexual]"]
PROMPTS = [f"a doctor, {text}" for text in TEXTS]
GUIDANCE = [0.0, 1.0, 1.5, 50.0]
STEPS = [1, 5]
SIZES = [64]
SEEDS = [0, 2**63 - 1]


@dataclass(frozen=True)
class Route:
    """How a route is asked, and where the records of its pictures are found."""

    path: str
    usual: Mapping[str, object]
    attempts: Mapping[str, list[object]]
    """Field -> values that are tried."""
    pictures: Callable[[TestClient, Response], list[bytes]]


def of_json(_client: TestClient, answer: Response) -> list[bytes]:
    if answer.headers["content-type"].startswith("text/event-stream"):
        images = [event.data for event in events_of(answer.text) if event.name == "image"]
    else:
        images = answer.json()["images"]
    return [base64.b64decode(image["b64_json"]) for image in images]


def of_openai(client: TestClient, answer: Response) -> list[bytes]:
    if answer.headers["content-type"].startswith("text/event-stream"):
        finished = [event.data for event in events_of(answer.text) if event.name.endswith("completed")]
        return [base64.b64decode(one["b64_json"]) for one in finished]
    found = []
    for one in answer.json()["data"]:
        if one.get("b64_json") is not None:
            found.append(base64.b64decode(one["b64_json"]))
        else:
            found.append(client.get(one["url"]).content)
    return found


def of_webui(_client: TestClient, answer: Response) -> list[bytes]:
    return [base64.b64decode(image) for image in answer.json()["images"]]


def of_huggingface(_client: TestClient, answer: Response) -> list[bytes]:
    return [answer.content]


def of_job(client: TestClient, answer: Response) -> list[bytes]:
    deadline = time.monotonic() + 120
    while (job := client.get(f"/jobs/{answer.json()['id']}").json())["state"] != "done":
        assert job["state"] in ("waiting", "running"), job
        assert time.monotonic() < deadline, job
        time.sleep(0.01)
    return [base64.b64decode(image["b64_json"]) for image in job["answer"]["images"]]


ROUTES = {
    "generate": Route("/generate", USUAL, {"stream": [True], "preview_every": [1]}, of_json),
    "jobs": Route("/jobs", USUAL, {"preview_every": [1]}, of_job),
    "openai": Route(
        "/v1/images/generations",
        {"prompt": USUAL["prompt"], "num_inference_steps": 4, "seed": 7},
        {
            "prompt": PROMPTS,
            "model": ["research-off", "opposed"],
            "n": [2],
            "size": ["64x64", "auto"],
            "response_format": ["url", "b64_json"],
            "output_format": ["png"],
            "output_compression": [50],
            "stream": [True],
            "partial_images": [3],
            "background": ["opaque"],
            "quality": ["low"],
            "style": ["vivid, sexual"],
            "moderation": ["low", "off"],
            "user": ["somebody else"],
            "safety_identifier": ["none"],
            "negative_prompt": TEXTS,
            "seed": SEEDS,
            "num_inference_steps": STEPS,
            "guidance_scale": GUIDANCE,
            "scheduler": ["lcm", "euler"],
            "policy": POLICIES,
        },
        of_openai,
    ),
    "huggingface": Route(
        "/hf/text-to-image",
        {"inputs": USUAL["prompt"], "parameters": {"num_inference_steps": 4, "seed": 7}},
        {
            "inputs": PROMPTS,
            "parameters": [
                {"negative_prompt": "sexual", "guidance_scale": 1.5, "policy": OFF},
                {"guidance_scale": 1.5, "scheduler": "LCMScheduler"},
                *({"negative_prompt": text} for text in TEXTS),
                *({"height": size} for size in SIZES),
                *({"width": size} for size in SIZES),
                *({"num_inference_steps": steps} for steps in STEPS),
                *({"guidance_scale": scale} for scale in GUIDANCE),
                *({"scheduler": name} for name in ("LCMScheduler", "euler")),
                *({"seed": seed} for seed in SEEDS),
                *({"policy": policy} for policy in POLICIES),
            ],
        },
        of_huggingface,
    ),
    "webui": Route(
        "/sdapi/v1/txt2img",
        {"prompt": USUAL["prompt"], "steps": 4, "seed": 7},
        {
            "prompt": PROMPTS,
            "negative_prompt": TEXTS,
            "seed": [-1, *SEEDS],
            "steps": STEPS,
            "cfg_scale": GUIDANCE,
            "width": SIZES,
            "height": SIZES,
            "sampler_name": ["LCM", "Euler a"],
            "sampler_index": ["LCM"],
            "batch_size": [2],
            "n_iter": [2],
            "policy": POLICIES,
        },
        of_webui,
    ),
}
FIELDS: Mapping[str, type[BaseModel]] = {
    "generate": GenerateBody,
    "jobs": JobBody,
    "openai": ImagesRequest,
    "huggingface": TextToImageRequest,
    "webui": Txt2ImgRequest,
}


def test_every_field_is_tried():
    """Those of the native requests are tried in test_floor.py."""
    for name, body in FIELDS.items():
        known = GenerateRequest.model_fields.keys() if issubclass(body, GenerateRequest) else set()
        assert body.model_fields.keys() - known == ROUTES[name].attempts.keys(), name
    tried = {field for attempt in ROUTES["huggingface"].attempts["parameters"] for field in attempt}
    assert Parameters.model_fields.keys() == tried


def all_attempts() -> Iterator[tuple[str, dict[str, object]]]:
    for name, route in ROUTES.items():
        for field, values in route.attempts.items():
            yield from ((name, {field: value}) for value in values)
    # At once, as each by itself says nothing that is followed.
    yield "webui", dict.fromkeys(NEUTRAL, "opposed")
    yield "webui", {"override_settings": {"CLIP_stop_at_last_layers": 9}, "hr_prompt": "sexual", "hr_cfg": 1}
    yield "openai", {"stream": True, "partial_images": 3, "policy": "research-off"}
    yield "jobs", {"policy": OFF}
    yield "jobs", {"policy": "research-off", "guidance_scale": 1.5}
    yield "jobs", {"policy": "research-off", "negative_prompt": "sexual"}


@pytest.mark.parametrize(("name", "attempt"), list(all_attempts()), ids=str)
def test_no_route_leads_round_the_floor(held_client, name, attempt):
    route = ROUTES[name]
    merged = {**route.usual, **attempt}
    if name == "huggingface" and "parameters" in attempt:
        merged["parameters"] = {**route.usual["parameters"], **attempt["parameters"]}
    answer = held_client.post(route.path, json=merged)
    if not answer.is_success:
        assert answer.status_code in (400, 404, 422), answer.text
        return
    pictures = route.pictures(held_client, answer)
    assert pictures
    for picture in pictures:
        record = json.loads(Image.open(io.BytesIO(picture)).info["trimtab"])
        strengths = {one["concept"]: one["strength"] for one in record["applied"]}
        assert strengths["anti-sexual"] == strengths["anti-violence"] == 0.8
        assert len({"woman", "man"} & strengths.keys()) == 1
        assert record["negative_prompt"].split(", ")[:2] == HELD_WORDS
        assert record["guidance_scale"] >= 2
        assert record["floor"] == "held"
