import base64
import io
import json
from collections import Counter
from collections.abc import Mapping

import pytest
import torch
from PIL import ExifTags, Image

from diffusion import Engine, Row, Sampling, make_scheduler
from policies.assignment import draw
from policies.cells import uniform_target
from policies.document import Policy
from policies.files import shipped_policies
from service.seeds import SEED_LIMIT, image_seeds

QUICK = {"prompt": "a photo of a doctor", "num_inference_steps": 2, "seed": 7}
GENDER = {"fairness": [{"set": "gender"}]}


def made(client, **changes: object) -> Mapping[str, object]:
    answer = client.post("/generate", json={**QUICK, **changes})
    assert answer.status_code == 200, answer.text
    return answer.json()


def opened(item: Mapping[str, str]) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(item["b64_json"])))


def pixels(item: Mapping[str, str]) -> bytes:
    return opened(item).tobytes()


def without_reasons(applied) -> list[Mapping[str, object]]:
    return [{name: value for name, value in one.items() if name != "reason"} for one in applied]


def applied_names(item) -> list[str]:
    return [applied["concept"] for applied in item["applied"]]


def test_answer_has_what_the_interface_promises(client, model):
    answer = made(client, num_images=2)
    assert set(answer) == {"id", "model", "images", "timings_s"}
    assert answer["model"] == "sd1"
    assert [image["seed"] for image in answer["images"]] == [7, 8]
    timings = answer["timings_s"]
    assert timings["generate"] > 0
    assert timings["total"] == pytest.approx(timings["queue"] + timings["generate"] + timings["encode"])
    for image in answer["images"]:
        assert set(image) == {"b64_json", "seed", "label", "applied", "averted", "screen", "blocked"}
        gender, race, *_ = applied_names(image)
        assert image["label"] == f"{gender} · {race}"
        assert opened(image).format == "PNG"
        assert opened(image).size == model.default_size


def test_default_policy_draws_a_gender_and_a_race_and_adds_safety(client):
    drawn = set()
    for image in made(client, num_images=6)["images"]:
        gender, race, *safety = image["applied"]
        drawn.add((gender["concept"], race["concept"]))
        assert gender["reason"].startswith(
            "fairness: one of gender with a share of 0.5, balanced in the request ('doctor': gender open)"
        )
        assert [applied["concept"] for applied in safety] == ["anti-sexual", "anti-violence"]
        assert all(applied["reason"].startswith("safety: added to every image") for applied in safety)
    assert drawn == {(gender, race) for gender in ("woman", "man") for race in ("black", "white", "asian")}


def test_independent_draws_are_those_of_the_seeds(client):
    policy = {"fairness": [{"set": "gender"}], "assignment": "independent"}
    for image in made(client, num_images=8, policy=policy)["images"]:
        assert applied_names(image) == [draw(uniform_target(("woman", "man")), image["seed"], "gender")]


def test_the_ledger_counts_over_requests(client):
    policy = {
        "fairness": [{"set": "gender"}, {"set": "race"}],
        "assignment": "ledger",
        "description": "counted",
    }
    drawn = [tuple(applied_names(made(client, seed=7, policy=policy)["images"][0])) for _ in range(12)]
    assert set(Counter(drawn).values()) == {2}


def test_images_that_fail_are_not_counted(client):
    """What the engine refuses after the members were taken is given back."""
    policy = {"fairness": [{"set": "gender"}], "assignment": "ledger", "description": "failing"}
    (first,) = made(client, policy=policy)["images"]
    for _ in range(3):
        answer = client.post(
            "/generate", json={**QUICK, "policy": policy, "num_inference_steps": 140, "scheduler": "lcm"}
        )
        assert answer.status_code == 422
    (second,) = made(client, policy=policy)["images"]
    assert {*applied_names(first), *applied_names(second)} == {"woman", "man"}


def test_prompts_without_people_are_the_plain_models_bit_by_bit(client):
    policy = {"fairness": [{"set": "gender"}, {"set": "race"}]}
    for prompt in ("a beach at sunset", "a photo of a cat"):
        (plain,) = made(client, prompt=prompt, policy="research-off")["images"]
        (gated,) = made(client, prompt=prompt, policy=policy)["images"]
        assert gated["applied"] == []
        assert pixels(gated) == pixels(plain)


def test_the_cap_scales_an_images_vectors_down(client):
    policy = {"safety": [{"concept": "anti-sexual"}, {"concept": "anti-violence", "strength": 0.4}]}
    (free,) = made(client, policy=policy)["images"]
    (held,) = made(client, policy={**policy, "max_norm": 1.0})["images"]
    strengths = [[one["strength"] for one in image["applied"]] for image in (free, held)]
    assert strengths[0] == [0.8, 0.4]
    assert strengths[1][0] < 0.8
    assert strengths[1][0] / strengths[1][1] == pytest.approx(2)
    assert "to stay within the cap" in held["applied"][0]["reason"]


def test_words_are_on_the_unconditional_row_and_in_the_record(client):
    words = {"safety": [{"concept": "anti-sexual", "by": "negative_prompt"}]}
    (image,) = made(client, policy=words, negative_prompt="ugly")["images"]
    (asked,) = made(client, policy="research-off", negative_prompt="sexual, ugly")["images"]
    assert pixels(image) == pixels(asked)
    assert image["applied"] == []
    assert image["averted"] == [
        {"concept": "anti-sexual", "words": "sexual", "reason": "safety: in every negative prompt"}
    ]
    assert record_of(opened(image))["averted"] == [
        {"concept": "anti-sexual", "words": "sexual", "reason": "safety"}
    ]


def test_by_default_safety_is_the_vector_and_the_words_and_without_guidance_the_vector_alone(client):
    policy, insisting = ({"safety": [{"concept": "anti-sexual", "by": by}]} for by in (None, "both"))
    (default,) = made(client, policy=policy)["images"]
    (both,) = made(client, policy=insisting)["images"]
    assert pixels(default) == pixels(both)
    assert record_of(opened(default))["averted"] == [
        {"concept": "anti-sexual", "words": "sexual", "reason": "safety"}
    ]
    (unguided,) = made(client, policy=policy, guidance_scale=1.0)["images"]
    (applied,) = unguided["applied"]
    assert (applied["concept"], applied["strength"]) == ("anti-sexual", 0.8)
    why = "by the vector alone: at guidance 1 no negative prompt is read"
    assert applied["reason"] == f"safety: added to every image; {why}"
    assert unguided["averted"] == []
    assert record_of(opened(unguided))["averted"] == []


@pytest.mark.parametrize("by", ["both", "negative_prompt"])
def test_a_rule_that_insists_on_words_is_refused_without_guidance(client, by):
    policy = {"safety": [{"concept": "anti-sexual", "by": by}]}
    error = client.post("/generate", json={**QUICK, "policy": policy, "guidance_scale": 1.0}).json()["error"]
    assert (error["code"], error["field"]) == ("too_little_guidance", "guidance_scale")


def test_image_is_the_engines_with_the_applied_vectors(client, model, library):
    """The whole way changes nothing: the picture is the engine's own for the answered steering."""
    policy = {"fairness": [{"set": "race"}], "safety": [{"concept": "anti-sexual", "strength": -1.5}]}
    images = made(client, num_images=3, policy=policy, negative_prompt="ugly", guidance_scale=4)["images"]
    rows = [
        Row(
            QUICK["prompt"],
            image["seed"],
            "ugly",
            {applied["concept"]: applied["strength"] for applied in image["applied"]},
        )
        for image in images
    ]
    expected = Engine(model, library).generate(rows, Sampling(num_inference_steps=2, guidance_scale=4))
    assert [pixels(image) for image in images] == [row.image.tobytes() for row in expected]
    for image in images:
        race, safety = image["applied"]
        assert (safety["concept"], safety["strength"]) == ("anti-sexual", -1.5)
        stored = library.resolve(race["concept"])
        assert (race["version"], race["digest"], race["strength"]) == (1, stored.digest, 0.8)


def test_policy_research_off_serves_the_plain_pipelines_images(client, model):
    (image,) = made(client, policy="research-off")["images"]
    assert image["applied"] == []
    pipe = model.pipe
    own = pipe.scheduler
    pipe.scheduler = make_scheduler("ddim", model.scheduler_config)
    try:
        plain = pipe(
            QUICK["prompt"],
            num_inference_steps=2,
            guidance_scale=5.0,
            generator=[torch.Generator().manual_seed(7)],
        ).images[0]
    finally:
        pipe.scheduler = own
    assert pixels(image) == plain.tobytes()


def test_steering_changes_the_image(client):
    (plain,) = made(client, policy="research-off")["images"]
    (steered,) = made(client, policy={"safety": [{"concept": "anti-violence"}]})["images"]
    assert pixels(plain) != pixels(steered)


def test_same_seed_same_images_and_draws(client):
    first, again = (made(client, num_images=4)["images"] for _ in range(2))
    assert first == again


def test_images_of_a_request_get_draws_of_their_own(client):
    images = made(client, num_images=8, policy=GENDER)["images"]
    assert {name for image in images for name in applied_names(image)} == {"woman", "man"}


def test_an_image_can_be_made_again_alone(client):
    """Draw and picture of an image do not depend on its place in a batch."""
    drawn = {**GENDER, "assignment": "independent"}
    third = made(client, num_images=4, policy=drawn)["images"][2]
    (alone,) = made(client, seed=third["seed"], policy=drawn)["images"]
    assert alone["applied"] == third["applied"]
    together, apart = (torch.tensor(list(pixels(image)), dtype=torch.int16) for image in (third, alone))
    assert (together - apart).abs().max() <= 2


def test_target_shifts_the_draw(client):
    only = {"fairness": [{"set": "gender", "target": {"woman": 1.0, "man": 0.0}, "strength": 0.5}]}
    images = made(client, num_images=4, policy=only)["images"]
    assert [applied_names(image) for image in images] == [["woman"]] * 4
    assert {image["applied"][0]["strength"] for image in images} == {0.5}


def test_absent_seed_is_drawn_and_answered(client):
    request = {key: value for key, value in QUICK.items() if key != "seed"} | {"num_images": 2}
    one, two = (client.post("/generate", json=request).json()["images"] for _ in range(2))
    assert one[1]["seed"] == one[0]["seed"] + 1
    assert one[0]["seed"] != two[0]["seed"]
    again = made(client, num_images=2, seed=one[0]["seed"])["images"]
    assert again == one


def test_seeds_wrap_at_the_end():
    assert image_seeds(SEED_LIMIT - 1, 3) == [SEED_LIMIT - 1, 0, 1]


@pytest.mark.parametrize("scheduler", ["euler", "dpm++-2m"])
def test_scheduler_and_steps_are_used(client, scheduler):
    (ddim,) = made(client, policy="research-off", num_inference_steps=3)["images"]
    (other,) = made(client, policy="research-off", num_inference_steps=3, scheduler=scheduler)["images"]
    assert pixels(ddim) != pixels(other)


def test_size_is_used(client):
    (image,) = made(client, height=32, width=48)["images"]
    assert opened(image).size == (48, 32)


def record_of(image: Image.Image) -> Mapping[str, object]:
    if image.format == "PNG":
        return json.loads(image.text["trimtab"])
    comment = image.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
    code, text = comment[:8], comment[8:]
    assert code == b"ASCII\0\0\0"
    return json.loads(text)


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp"])
def test_provenance_is_in_the_file(client, model, image_format):
    answer = made(client, image_format=image_format, prompt="a photo of a doctor é😀", policy=GENDER)
    (item,) = answer["images"]
    image = opened(item)
    assert image.format == image_format.upper()
    record = record_of(image)
    assert record == {
        "format_version": 2,
        "generator": record["generator"],
        "digital_source_type": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
        "model": "sd1",
        "base_model": model.fingerprint,
        "prompt": None,
        "removed_phrases": None,
        "negative_prompt": None,
        "seed": 7,
        "num_inference_steps": 2,
        "guidance_scale": 5.0,
        "scheduler": "ddim",
        "height": 32,
        "width": 32,
        "policy": None,
        "policy_version": None,
        "policy_digest": Policy.model_validate(GENDER).digest,
        "floor": None,
        "floor_digest": None,
        "applied": [{**one, "reason": "fairness"} for one in item["applied"]],
        "averted": [],
        "screen": None,
    }
    assert record["generator"].startswith("trimtab ")


def test_one_image_as_png(client):
    answer = client.post("/generate", json={**QUICK, "image_format": "webp"}, headers={"Accept": "image/png"})
    assert answer.headers["content-type"] == "image/png"
    image = Image.open(io.BytesIO(answer.content))
    assert image.tobytes() == pixels(made(client)["images"][0])
    assert answer.headers["x-trimtab-id"]
    record = record_of(image)
    assert (record["policy"], record["policy_version"]) == ("default", 1)
    assert record["policy_digest"] == shipped_policies()["default"].digest


def test_a_policy_in_a_request_cannot_take_the_name_of_a_configured_one(client):
    (image,) = made(client, policy={"name": "default", "version": 1})["images"]
    assert record_of(opened(image))["policy"] is None


def test_several_images_as_a_labelled_grid(client):
    request = {**QUICK, "num_images": 3}
    answer = client.post("/generate", json=request, headers={"Accept": "image/png, */*;q=0.5"})
    grid = Image.open(io.BytesIO(answer.content))
    assert grid.width >= 2 * 192
    assert grid.height > 2 * 192
    records = record_of(grid)["images"]
    assert [record["seed"] for record in records] == [7, 8, 9]
    assert [without_reasons(record["applied"]) for record in records] == [
        without_reasons(image["applied"]) for image in made(client, num_images=3)["images"]
    ]
    assert {one["reason"] for record in records for one in record["applied"]} == {"fairness", "safety"}
