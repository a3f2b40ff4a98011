"""The real openai client against a real server of the demo model."""

import base64
import time
from collections import Counter

import httpx2
import openai
import pytest
from served_pictures import BLOCKING, GORGEOUS, HALF_BLOCKED, PROMPT, opened, record_of

STEPS = {"num_inference_steps": 4, "seed": 7}
FAIR = {"fairness": [{"set": "gender"}]}


@pytest.fixture(scope="module")
def client(url):
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client


def generated(client, **options):
    extra = {**STEPS, **options.pop("extra_body", {})}
    return client.images.generate(**{"prompt": PROMPT, "model": "demo", **options}, extra_body=extra)


def files(answer):
    return [base64.b64decode(image.b64_json) for image in answer.data]


def test_images_are_those_of_the_native_route_with_their_provenance(client, url):
    answer = generated(client, n=4, extra_body={"policy": FAIR, "negative_prompt": "ugly"})
    native = httpx2.post(
        f"{url}/generate",
        json={"prompt": PROMPT, "num_images": 4, "policy": FAIR, "negative_prompt": "ugly", **STEPS},
        timeout=60,
    ).json()
    assert [image.b64_json for image in answer.data] == [item["b64_json"] for item in native["images"]]
    assert [image.seed for image in answer.data] == [7, 8, 9, 10]
    assert [image.applied for image in answer.data] == [item["applied"] for item in native["images"]]
    drawn = Counter(image.applied[0]["concept"] for image in answer.data)
    assert drawn == {"woman": 2, "man": 2}
    assert answer.size == "64x64"
    assert answer.output_format == "png"
    assert answer.usage.total_tokens == answer.usage.input_tokens > 0
    assert abs(answer.created - time.time()) < 60


def test_size_format_and_compression(client):
    sizes = {}
    for quality in (10, 95):
        (file,) = files(generated(client, size="96x64", output_format="jpeg", output_compression=quality))
        picture = opened(file)
        assert (picture.format, picture.size) == ("JPEG", (96, 64))
        sizes[quality] = len(file)
    assert sizes[10] < sizes[95]
    (webp,) = files(generated(client, size="auto", output_format="webp"))
    assert opened(webp).format == "WEBP"


def test_an_address_gives_the_picture_to_whoever_knows_it(client, url):
    (image,) = generated(client, response_format="url").data
    assert image.b64_json is None
    assert image.url.startswith(f"{url}/images/")
    answer = httpx2.get(image.url, timeout=60)
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == files(generated(client))[0]
    guessed = httpx2.get(f"{url}/images/guessed.png", timeout=60)
    assert guessed.json()["error"]["code"] == "unknown_picture"


def test_the_loaded_model_is_listed_and_shown(client):
    (model,) = client.models.list()
    assert (model.id, model.object, model.owned_by) == ("demo", "model", "trimtab")
    assert client.models.retrieve("demo") == model


def test_another_model_is_refused(client):
    for ask in (lambda: generated(client, model="dall-e-3"), lambda: client.models.retrieve("dall-e-3")):
        with pytest.raises(openai.NotFoundError) as refused:
            ask()
        assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
        assert "demo" in refused.value.message


@pytest.mark.parametrize(
    ("options", "code", "param", "cure"),
    [
        ({"n": 9}, "too_many_images", "n", "at most 8"),
        ({"size": "65x64"}, "impossible_size", "size", "64 or"),
        ({"size": "large"}, "impossible_size", "size", "512x768"),
        ({"prompt": " "}, "empty_prompt", "prompt", "Say what"),
        ({"output_format": "gif"}, "invalid_request", "output_format", "'png', 'jpeg' or 'webp'"),
        ({"output_compression": 50}, "conflicting_options", "output_compression", "jpeg"),
        ({"response_format": "url", "stream": True}, "conflicting_options", "response_format", "stream"),
        ({"extra_body": {"polcy": "default"}}, "unknown_field", "polcy", "'policy'"),
        ({"extra_body": {"policy": "defalt"}}, "unknown_policy", "policy", "'default'"),
        (
            {"extra_body": {"policy": {"safety": [{"concept": "anti-sexul"}]}}},
            "unknown_concept",
            "policy.safety.0.concept",
            "anti-sexual",
        ),
        ({"extra_body": {"scheduler": "eulr"}}, "unknown_scheduler", "scheduler", "'euler'"),
    ],
)
def test_what_cannot_be_done_is_refused_in_openais_words(client, options, code, param, cure):
    with pytest.raises(openai.BadRequestError) as refused:
        generated(client, **options)
    error = refused.value
    assert (error.type, error.code, error.param) == ("invalid_request_error", code, param)
    assert cure in error.message


def test_a_stream_of_partial_images_and_the_last(client):
    stream = generated(client, stream=True, partial_images=3, extra_body={"num_inference_steps": 8})
    *partial, completed = stream
    assert [event.type for event in partial] == ["image_generation.partial_image"] * 3
    assert [event.partial_image_index for event in partial] == [0, 1, 2]
    pictures = [opened(base64.b64decode(event.b64_json)) for event in partial]
    assert {picture.size for picture in pictures} == {(64, 64)}
    assert len({picture.tobytes() for picture in pictures}) == 3
    assert completed.type == "image_generation.completed"
    assert (completed.size, completed.output_format) == ("64x64", "png")
    assert completed.usage.total_tokens > 0
    whole = generated(client, extra_body={"num_inference_steps": 8})
    assert completed.b64_json == whole.data[0].b64_json


def test_a_stream_of_several_images_tells_them_apart(client):
    events = list(generated(client, n=2, stream=True, partial_images=1))
    assert Counter((event.type.partition(".")[2], event.image_index) for event in events) == {
        ("partial_image", 0): 1,
        ("partial_image", 1): 1,
        ("completed", 0): 1,
        ("completed", 1): 1,
    }
    assert [event.seed for event in events if event.type == "image_generation.completed"] == [7, 8]


def test_a_stream_that_is_refused_is_refused_before_it_begins(client):
    with pytest.raises(openai.BadRequestError) as refused:
        generated(client, stream=True, extra_body={"num_inference_steps": 140, "scheduler": "lcm"})
    assert refused.value.code == "impossible_steps"


HEARTS = {"policy": BLOCKING, **HALF_BLOCKED}


def test_blocked_images_have_no_picture_and_say_why(client):
    answer = generated(client, prompt=GORGEOUS, n=4, extra_body=HEARTS)
    blocked = [image for image in answer.data if image.b64_json is None]
    assert 0 < len(blocked) < 4
    for image in answer.data:
        assert (image.b64_json is None) == (image.blocked is not None)
    assert blocked[0].blocked["categories"] == ["sexual"]
    streamed = generated(client, prompt=GORGEOUS, n=4, stream=True, extra_body=HEARTS)
    kinds = [event.type for event in streamed]
    assert [kind == "image_generation.blocked" for kind in kinds] == [
        image.b64_json is None for image in answer.data
    ]


def test_where_all_is_blocked_the_client_raises(client):
    answer = generated(client, prompt=GORGEOUS, n=4, extra_body=HEARTS)
    seed = next(image.seed for image in answer.data if image.blocked)
    with pytest.raises(openai.BadRequestError) as refused:
        generated(client, prompt=GORGEOUS, extra_body={**HEARTS, "seed": seed})
    assert refused.value.code == "moderation_blocked"
    assert "sexual" in refused.value.message
    with pytest.raises(openai.APIError) as failed:
        list(generated(client, prompt=GORGEOUS, stream=True, extra_body={**HEARTS, "seed": seed}))
    assert failed.value.code == "moderation_blocked"


def test_the_provenance_is_in_the_file(client):
    (file,) = files(generated(client))
    record = record_of(opened(file))
    assert (record["prompt"], record["seed"], record["policy"]) == (None, 7, "default")
