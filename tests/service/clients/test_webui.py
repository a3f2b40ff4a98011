"""What clients of Stable Diffusion WebUI send, against a real server of the demo model."""

import base64
import json

import httpx2
import pytest
from served_pictures import BLOCKING, GORGEOUS, GREY, PROMPT, opened

# What the webuiapi package sends of its own accord, beside what its user gave.
SENT = {
    "enable_hr": False,
    "denoising_strength": 0.7,
    "firstphase_width": 0,
    "firstphase_height": 0,
    "hr_scale": 2,
    "hr_upscaler": "Latent",
    "hr_second_pass_steps": 0,
    "hr_resize_x": 0,
    "hr_resize_y": 0,
    "styles": [],
    "subseed": -1,
    "subseed_strength": 0.0,
    "seed_resize_from_h": 0,
    "seed_resize_from_w": 0,
    "restore_faces": False,
    "tiling": False,
    "do_not_save_samples": False,
    "do_not_save_grid": False,
    "eta": 1.0,
    "s_churn": 0,
    "s_tmax": 0,
    "s_tmin": 0,
    "s_noise": 1,
    "override_settings": {},
    "override_settings_restore_afterwards": True,
    "script_args": [],
    "script_name": None,
    "send_images": True,
    "save_images": False,
    "alwayson_scripts": {},
    "sampler_index": None,
}
ASKED = {"prompt": PROMPT, "seed": 7, "steps": 4, "cfg_scale": 5, "sampler_name": "DDIM"}


def answered(url, **changes):
    answer = httpx2.post(f"{url}/sdapi/v1/txt2img", json={**SENT, **ASKED, **changes}, timeout=60)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    pictures = [opened(base64.b64decode(image)) for image in body["images"]]
    return pictures, json.loads(body["info"]), body["parameters"]


def test_pictures_are_those_of_the_native_route(url):
    pictures, info, parameters = answered(url, batch_size=2, n_iter=2)
    request = {"prompt": PROMPT, "num_images": 4, "seed": 7, "num_inference_steps": 4}
    native = httpx2.post(f"{url}/generate", json=request, timeout=60).json()["images"]
    assert [picture.tobytes() for picture in pictures] == [
        opened(base64.b64decode(item["b64_json"])).tobytes() for item in native
    ]
    assert info["all_seeds"] == [7, 8, 9, 10]
    assert [image["applied"] for image in info["trimtab"]["images"]] == [item["applied"] for item in native]
    assert parameters["batch_size"] == 2
    assert info["infotexts"][1] == (
        f"{PROMPT}\nNegative prompt: sexual, violent\nSteps: 4, Sampler: DDIM, CFG scale: 5, Seed: 8, Size: 64x64, "
        f"Model hash: {info['sd_model_hash']}, Model: demo, Version: {info['infotexts'][0].split(': ')[-1]}"
    )


def test_sizes_samplers_and_words_are_followed(url):
    (picture,), info, _ = answered(
        url, width=96, height=64, sampler_name="Euler a", negative_prompt="ugly", policy="research-off"
    )
    assert picture.size == (96, 64)
    assert (info["sampler_name"], info["negative_prompt"], info["width"]) == ("Euler a", "ugly", 96)
    assert info["trimtab"]["images"][0]["applied"] == []
    assert "\nNegative prompt: ugly\nSteps: 4, Sampler: Euler a," in info["infotexts"][0]


def test_a_seed_of_minus_one_is_drawn(url):
    first, second = (answered(url, seed=-1)[1]["seed"] for _ in range(2))
    assert first != second
    assert min(first, second) >= 0


def test_what_is_not_done_is_named(url):
    assert answered(url)[1]["trimtab"]["ignored"] == ["eta"]
    assert answered(url, eta=0)[1]["trimtab"]["ignored"] == []
    changes = {"enable_hr": True, "styles": ["noir"], "override_settings": {"CLIP_stop_at_last_layers": 2}}
    assert answered(url, **changes)[1]["trimtab"]["ignored"] == [
        "enable_hr",
        "styles",
        "eta",
        "override_settings",
    ]


@pytest.mark.parametrize(
    ("changes", "code", "field", "cure"),
    [
        ({"sampler_name": "Eulr"}, "unknown_scheduler", "sampler_name", "'Euler'"),
        ({"sampler_name": "DPM++ 2M Karras"}, "unknown_scheduler", "sampler_name", "'DPM++ 2M'"),
        ({"batch_size": 5, "n_iter": 2}, "too_many_images", "batch_size", "at most 8"),
        ({"steps": 500}, "too_many_steps", "steps", "at most 400"),
        ({"step": 5}, "unknown_field", "step", "'steps'"),
        ({"seed": -2}, "invalid_request", "seed", "-1"),
    ],
)
def test_what_cannot_be_done_is_refused_in_webuis_form(url, changes, code, field, cure):
    answer = httpx2.post(f"{url}/sdapi/v1/txt2img", json={**ASKED, **changes}, timeout=60)
    assert answer.status_code == 422
    error = answer.json()
    assert (error["error"], error["body"]) == (code, field)
    assert cure in error["detail"]
    assert error["errors"] == error["detail"]


def test_what_clients_ask_before(url):
    samplers = httpx2.get(f"{url}/sdapi/v1/samplers", timeout=60).json()
    for sampler in samplers:
        assert answered(url, sampler_name=sampler["name"])[1]["sampler_name"] == sampler["name"]
    (model,) = httpx2.get(f"{url}/sdapi/v1/sd-models", timeout=60).json()
    options = httpx2.get(f"{url}/sdapi/v1/options", timeout=60).json()
    assert model["title"] == options["sd_model_checkpoint"] == "demo"
    assert answered(url)[1]["sd_model_hash"] == model["hash"]


def test_blocked_pictures_are_words_on_grey_in_their_places(url):
    pictures, info, _ = answered(url, prompt=GORGEOUS, batch_size=4, steps=10, policy=BLOCKING)
    is_blocked = [image["blocked"] is not None for image in info["trimtab"]["images"]]
    assert 0 < sum(is_blocked) < 4
    assert [picture.getpixel((1, 1)) == GREY for picture in pictures] == is_blocked
