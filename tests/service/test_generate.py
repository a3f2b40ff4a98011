import base64
import io
import json
from collections.abc import Mapping

import pytest
import torch
from PIL import ExifTags, Image

from diffusion import Engine, Row, Sampling, make_scheduler
from policies.assignment import draw, uniform_target
from service.generation import SEED_LIMIT, image_seeds

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
        assert set(image) == {"b64_json", "seed", "applied"}
        assert opened(image).format == "PNG"
        assert opened(image).size == model.default_size


def test_default_policy_draws_a_gender_and_a_race_and_adds_safety(client):
    for image in made(client, num_images=4)["images"]:
        gender, race, *safety = image["applied"]
        assert gender["concept"] == draw(uniform_target(("woman", "man")), image["seed"], "gender")
        assert race["concept"] == draw(uniform_target(("black", "white", "asian")), image["seed"], "race")
        assert gender["reason"] == "fairness: drawn from gender with probability 0.5"
        assert [applied["concept"] for applied in safety] == ["anti-sexual", "anti-violence"]
        assert {applied["reason"] for applied in safety} == {"safety: added to every image"}


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


def test_policy_none_serves_the_plain_pipelines_images(client, model):
    (image,) = made(client, policy="none")["images"]
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
    (plain,) = made(client, policy="none")["images"]
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
    third = made(client, num_images=4, policy=GENDER)["images"][2]
    (alone,) = made(client, seed=third["seed"], policy=GENDER)["images"]
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
    (ddim,) = made(client, policy="none", num_inference_steps=3)["images"]
    (other,) = made(client, policy="none", num_inference_steps=3, scheduler=scheduler)["images"]
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
        "format_version": 1,
        "generator": record["generator"],
        "digital_source_type": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
        "model": "sd1",
        "base_model": model.fingerprint,
        "prompt": "a photo of a doctor é😀",
        "negative_prompt": "",
        "seed": 7,
        "num_inference_steps": 2,
        "guidance_scale": 5.0,
        "scheduler": "ddim",
        "height": 32,
        "width": 32,
        "policy": None,
        "applied": item["applied"],
    }
    assert record["generator"].startswith("trimtab ")


def test_one_image_as_png(client):
    answer = client.post("/generate", json={**QUICK, "image_format": "webp"}, headers={"Accept": "image/png"})
    assert answer.headers["content-type"] == "image/png"
    image = Image.open(io.BytesIO(answer.content))
    assert image.tobytes() == pixels(made(client)["images"][0])
    assert answer.headers["x-trimtab-id"]
    assert record_of(image)["policy"] == "default"


def test_several_images_as_a_labelled_grid(client):
    request = {**QUICK, "num_images": 3}
    answer = client.post("/generate", json=request, headers={"Accept": "image/png, */*;q=0.5"})
    grid = Image.open(io.BytesIO(answer.content))
    assert grid.width >= 2 * 192
    assert grid.height > 2 * 192
    records = record_of(grid)["images"]
    assert [record["seed"] for record in records] == [7, 8, 9]
    assert [record["applied"] for record in records] == [
        image["applied"] for image in made(client, num_images=3)["images"]
    ]
