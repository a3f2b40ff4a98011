import io
import json
from base64 import b64decode
from collections.abc import Mapping

from fastapi.testclient import TestClient
from PIL import Image

REQUEST = {"prompt": "a photo of a doctor", "num_inference_steps": 2, "seed": 7, "num_images": 4}
LEDGER = {"fairness": [{"set": "gender"}], "assignment": "ledger", "description": "explained"}


def explained(client: TestClient, **changes: object) -> Mapping[str, object]:
    answer = client.post("/policies/explain", json={**REQUEST, **changes})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_what_is_explained_is_what_is_made(client):
    shown = explained(client)
    images = client.post("/generate", json=REQUEST).json()["images"]
    kept = ("concept", "strength", "reason")
    assert [image["steering"] for image in shown["images"]] == [
        [{name: one[name] for name in kept} for one in image["applied"]] for image in images
    ]
    assert [image["seed"] for image in shown["images"]] == [7, 8, 9, 10]
    assert shown["group"] == "doctor"
    assert shown["policy"]["name"] == "default"
    assert shown["policy_digest"].startswith("sha256:")
    assert shown["floor_digest"] is None


def test_reasons_are_given_for_what_is_not_added(client):
    for image in explained(client, prompt="a beach at sunset")["images"]:
        assert [one["concept"] for one in image["skipped"]] == ["gender", "race"]
        assert all(one["reason"].startswith("no people") for one in image["skipped"])
        assert {one["concept"] for one in image["steering"]} == {"anti-sexual", "anti-violence"}


def test_the_ledger_is_only_read(client):
    one = explained(client, policy=LEDGER, num_images=1)
    assert explained(client, policy=LEDGER, num_images=1) == one
    made = client.post("/generate", json={**REQUEST, "num_images": 1, "policy": LEDGER}).json()["images"][0]
    first = one["images"][0]["steering"][0]["concept"]
    assert made["applied"][0]["concept"] == first
    assert explained(client, policy=LEDGER, num_images=1)["images"][0]["steering"][0]["concept"] != first


def test_the_negative_prompt_is_shown_as_the_model_would_read_it(client):
    policy = {"safety": [{"concept": "anti-sexual", "by": "both"}]}
    (image,) = explained(client, policy=policy, negative_prompt="ugly", num_images=1)["images"]
    assert image["negative_prompt"] == "sexual, ugly"
    assert image["averted"][0]["concept"] == "anti-sexual"


def test_a_phrase_whose_words_have_no_room_acts_by_its_vector(client):
    """The words of a phrase make no request fail; those of a policy do, or a long text would push them out."""
    request = {"prompt": "a doctor, no blood", "num_images": 1, "policy": {}}
    long = "dog"
    while client.post("/policies/explain", json={**REQUEST, **request, "negative_prompt": long}).is_success:
        request["negative_prompt"], long = long, f"{long} dog"
    (image,) = explained(client, **{**request, "policy": {"phrases": "steer"}})["images"]
    assert [one["concept"] for one in image["steering"]] == ["anti-violence"]
    assert (image["averted"], image["negative_prompt"]) == ([], request["negative_prompt"])
    assert image["skipped"] == [
        {"concept": "anti-violence", "reason": "no room for 'violent' in the negative prompt"}
    ]
    own = {"safety": [{"concept": "anti-violence"}]}
    answer = client.post("/policies/explain", json={**REQUEST, **request, "policy": own})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "overlong_prompt")


def test_what_generate_would_refuse_is_refused(client):
    answer = client.post("/policies/explain", json={**REQUEST, "policy": "calm"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unknown_policy")


def test_phrases_are_shown_with_what_the_model_would_read(client):
    prompt = "a doctor, no blood"
    shown = explained(client, prompt=prompt, policy={"phrases": "steer-and-remove"}, num_images=1)
    assert shown["phrases"] == [{"text": "no blood", "reason": "'no blood' asks for anti-violence"}]
    assert (shown["model_prompt"], shown["group"]) == ("a doctor", "doctor")
    assert [one["concept"] for one in shown["images"][0]["steering"]] == ["anti-violence"]
    off = explained(client, prompt=prompt, policy={}, num_images=1)
    assert (off["phrases"], off["model_prompt"]) == ([], prompt)


def test_the_model_reads_what_was_explained_and_the_file_keeps_nothing_of_it(client):
    request = {**REQUEST, "num_images": 1, "prompt": "a doctor, no blood"}
    asked = {"safety": [{"concept": "anti-violence"}]}
    image, alone = (
        client.post("/generate", json={**request, **changes}).json()["images"][0]
        for changes in (
            {"policy": {"phrases": "steer-and-remove"}},
            {"policy": asked, "prompt": "a doctor"},
        )
    )
    pictures = [Image.open(io.BytesIO(b64decode(one["b64_json"]))) for one in (image, alone)]
    assert pictures[0].tobytes() == pictures[1].tobytes()
    record = json.loads(pictures[0].text["trimtab"])
    assert (record["prompt"], record["removed_phrases"]) == (None, None)
    assert record["applied"][0]["reason"] == "safety"
    assert image["applied"][0]["reason"] == "safety: 'no blood' asks for anti-violence"
