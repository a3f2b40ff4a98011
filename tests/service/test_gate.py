import base64
import io

import pytest
from PIL import Image

FAIR = {"fairness": [{"set": "gender"}, {"set": "race"}]}


def images(client, prompt: str, policy: object) -> list[bytes]:
    body = {"prompt": prompt, "policy": policy, "num_images": 3, "num_inference_steps": 2, "seed": 11}
    answer = client.post("/generate", json=body)
    assert answer.status_code == 200, answer.text
    return [
        Image.open(io.BytesIO(base64.b64decode(item["b64_json"]))).tobytes()
        for item in answer.json()["images"]
    ]


@pytest.mark.parametrize(
    "prompt",
    ["a photo of a dog", "no people", "Stalin", "a viking",
     "a black woman"],
)  # fmt: skip
def test_where_the_gate_says_no_images_are_the_unsteered_ones_bit_for_bit(client, prompt):
    assert images(client, prompt, FAIR) == images(client, prompt, "research-off")


def test_where_it_says_yes_they_are_not(client):
    plain = images(client, "a photo of a doctor", "research-off")
    assert all(
        fair != other for fair, other in zip(images(client, "a photo of a doctor", FAIR), plain, strict=True)
    )


def test_of_a_stated_attribute_only_the_other_is_drawn(client):
    prompt = "a photo of a female doctor"
    assert images(client, prompt, FAIR) == images(client, prompt, {"fairness": [{"set": "race"}]})
    assert images(client, prompt, FAIR) != images(client, prompt, "research-off")


def test_always_steers_whatever_the_prompt_says(client):
    always = {"fairness": [{"set": "gender", "when": "always"}]}
    assert images(client, "a photo of a dog", always) != images(client, "a photo of a dog", "research-off")
