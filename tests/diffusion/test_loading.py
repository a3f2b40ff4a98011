import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

from diffusion import ModelLoadError, load_model


def test_each_kind_is_loaded_as_it_is(folders, models):
    for kind, folder in folders.items():
        expected = StableDiffusionXLPipeline if kind == "sdxl" else StableDiffusionPipeline
        assert type(models[kind].pipe) is expected
        assert models[kind].name == str(folder)
    assert models["sd1"].prediction_type == models["sdxl"].prediction_type == "epsilon"
    assert models["sd2"].prediction_type == "v_prediction"


def test_device_and_dtype(folders):
    assert load_model(folders["sd1"], device="cpu").dtype == torch.float32
    model = load_model(str(folders["sd1"]), device=torch.device("cpu"), dtype=torch.bfloat16)
    assert (model.device.type, model.dtype) == ("cpu", torch.bfloat16)
    with pytest.raises(ModelLoadError, match="No dtype 'half': use auto, float32, float16, bfloat16"):
        load_model(folders["sd1"], dtype="half")
    with pytest.raises(ModelLoadError, match="No device 'toaster'"):
        load_model(folders["sd1"], device="toaster")


def test_threads_may_load_at_once(folders, eager_threads):
    with ThreadPoolExecutor(2) as threads:
        models = list(threads.map(load_model, [folders["sd1"]] * 4, timeout=120))
    assert all(not weight.is_meta for model in models for weight in model.pipe.unet.parameters())
    assert not torch.nn.Linear(1, 1).weight.is_meta


def test_the_safety_checker_is_left_out(folders, tmp_path):
    folder = tmp_path / "checked"
    shutil.copytree(folders["sd1"], folder)
    index = json.loads((folder / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["requires_safety_checker"] = True
    (folder / "model_index.json").write_text(json.dumps(index))
    assert load_model(folder, device="cpu").pipe.safety_checker is None


def test_a_folder_without_a_pipeline_is_refused(tmp_path):
    with pytest.raises(ModelLoadError, match=r"No diffusers pipeline .*model_index\.json"):
        load_model(tmp_path)
    with pytest.raises(ModelLoadError, match=r"No diffusers pipeline .*nothing"):
        load_model(tmp_path / "nothing")


def test_pickled_weights_are_refused(folders, tmp_path):
    folder = tmp_path / "pickled"
    shutil.copytree(folders["sd1"], folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.unlink()
    torch.save({}, weights.with_suffix(".bin"))
    with pytest.raises(ModelLoadError, match="pickled weights can run code and are refused"):
        load_model(folder, device="cpu")


def test_another_kind_of_pipeline_is_refused(folders, tmp_path):
    folder = tmp_path / "video"
    shutil.copytree(folders["sd1"], folder)
    index = json.loads((folder / "model_index.json").read_text())
    index["_class_name"] = "TextToVideoSDPipeline"
    (folder / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ModelLoadError, match="is a TextToVideoSDPipeline, which is not supported"):
        load_model(folder, device="cpu")
