import re

import pytest
import torch
from diffusers import StableDiffusionPipeline
from tiny_pipelines import tiny_sd1

from diffusion import fingerprint, load_model


def test_it_is_a_digest(sd1):
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", sd1.fingerprint)
    assert sd1.fingerprint == fingerprint(sd1.pipe.unet)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_it_does_not_depend_on_the_dtype_loaded(folders, model, dtype):
    kind = next(kind for kind, folder in folders.items() if str(folder) == model.name)
    assert load_model(folders[kind], device="cpu", dtype=dtype).fingerprint == model.fingerprint


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_it_does_not_depend_on_the_files_precision(folders, sd1, tmp_path, dtype):
    half = StableDiffusionPipeline.from_pretrained(folders["sd1"], dtype=torch.float16)
    half.save_pretrained(tmp_path)
    assert load_model(tmp_path, device="cpu", dtype=dtype).fingerprint == sd1.fingerprint


def test_the_full_files_win_over_the_fp16_ones_beside_them(folders, sd1, tmp_path):
    StableDiffusionPipeline.from_pretrained(folders["sd1"]).save_pretrained(tmp_path)
    other = tiny_sd1(seed=1).to(dtype=torch.float16)
    other.unet.save_pretrained(tmp_path / "unet", variant="fp16")
    assert load_model(tmp_path, device="cpu", dtype="bfloat16").fingerprint == sd1.fingerprint


def test_it_is_the_same_for_a_pipeline_in_memory(sd1):
    assert fingerprint(tiny_sd1().unet) == sd1.fingerprint


def test_it_tells_other_weights_and_other_architectures_apart(models):
    prints = {models["sd1"].fingerprint, models["sdxl"].fingerprint, fingerprint(tiny_sd1(seed=1).unet)}
    assert len(prints) == 3


def test_it_tells_how_the_weights_are_used(sd1):
    unet = tiny_sd1().unet
    unet.register_to_config(norm_num_groups=4)
    assert fingerprint(unet) != sd1.fingerprint


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_changed_weight_changes_it(folders, sd1, dtype):
    unet = load_model(folders["sd1"], device="cpu", dtype=dtype).pipe.unet
    assert fingerprint(unet) == sd1.fingerprint
    with torch.no_grad():
        unet.conv_in.weight += 0.5
    assert fingerprint(unet) != sd1.fingerprint


def test_a_bf16_pipeline_built_in_memory_stands_for_itself(sd1):
    unet = tiny_sd1().unet.to(torch.bfloat16)
    assert fingerprint(unet) == fingerprint(tiny_sd1().unet.to(torch.bfloat16)) != sd1.fingerprint
