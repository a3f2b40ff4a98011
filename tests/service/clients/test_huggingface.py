"""The real Hugging Face client against a real server of the demo model."""

import httpx2
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from served_pictures import BLOCKING, GORGEOUS, GREY, PROMPT, opened, record_of

STEPS = {"num_inference_steps": 4, "seed": 7}


@pytest.fixture(scope="module")
def client(url):
    return InferenceClient(model=f"{url}/hf/text-to-image", token="none")


def test_every_argument_of_the_client_is_followed(client):
    image = client.text_to_image(
        PROMPT,
        negative_prompt="ugly",
        width=96,
        height=64,
        num_inference_steps=10,
        guidance_scale=4,
        scheduler="EulerDiscreteScheduler",
        seed=3,
        extra_body={"policy": "strict"},
    )
    record = record_of(image)
    assert image.size == (96, 64)
    told = ("seed", "num_inference_steps", "guidance_scale", "scheduler", "policy")
    assert [record[name] for name in told] == [3, 10, 4.0, "euler", "strict"]
    assert (record["prompt"], record["negative_prompt"]) == (None, None)


def test_the_picture_is_that_of_the_native_route(client, url):
    image = client.text_to_image(PROMPT, **STEPS)
    native = httpx2.post(
        f"{url}/generate", json={"prompt": PROMPT, **STEPS}, headers={"Accept": "image/png"}, timeout=60
    )
    assert image.tobytes() == opened(native.content).tobytes()
    assert record_of(image) == record_of(opened(native.content))


def test_the_format_is_what_the_client_accepts(url):
    body = {"inputs": PROMPT, "parameters": STEPS}
    answer = httpx2.post(f"{url}/hf/text-to-image", json=body, headers={"Accept": "image/webp"}, timeout=60)
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["x-trimtab-seed"] == "7"
    assert opened(answer.content).format == "WEBP"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheduler": "eulr"}, "'euler'"),
        ({"num_inference_steps": 1000}, "at most 400"),
        ({"extra_body": {"polcy": "default"}}, "'policy'"),
    ],
)
def test_the_client_prints_what_is_wrong_and_the_cure(client, options, message):
    with pytest.raises(HfHubHTTPError) as refused:
        client.text_to_image(PROMPT, **options)
    assert refused.value.response.status_code == 422
    assert message in str(refused.value)


def test_errors_name_the_clients_field(url):
    body = {"inputs": "", "parameters": {}}
    assert httpx2.post(f"{url}/hf/text-to-image", json=body, timeout=60).json()["field"] == "inputs"
    body = {"inputs": PROMPT, "parameters": {"scheduler": "eulr"}}
    error = httpx2.post(f"{url}/hf/text-to-image", json=body, timeout=60).json()
    assert (error["error_type"], error["field"]) == ("unknown_scheduler", "parameters.scheduler")


def test_a_blocked_picture_is_words_on_grey(url):
    heart = {"num_inference_steps": 10, "policy": BLOCKING}
    for seed in range(7, 13):
        body = {"inputs": GORGEOUS, "parameters": {**heart, "seed": seed}}
        answer = httpx2.post(f"{url}/hf/text-to-image", json=body, timeout=60)
        if answer.headers["x-trimtab-screen"] == "blocked=sexual":
            break
    else:
        raise AssertionError("the demo model drew no heart")
    picture = opened(answer.content)
    assert picture.size == (64, 64)
    assert picture.getpixel((1, 1)) == GREY
    assert record_of(picture)["screen"]["outcome"] == "blocked"
