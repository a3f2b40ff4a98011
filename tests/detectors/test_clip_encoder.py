import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_clip import DIMENSION, SIZE
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPProcessor, CLIPTokenizer

from detectors import ClipEncoder, DetectorLoadError, DetectorSettingsError

TEXTS = ["a woman", "a man", "a photo of a doctor"]


def test_embeddings_are_those_of_transformers_own_model(clip, clip_folder, pictures):
    model = CLIPModel.from_pretrained(clip_folder)
    processor = CLIPProcessor(
        CLIPImageProcessorPil.from_pretrained(clip_folder), CLIPTokenizer.from_pretrained(clip_folder)
    )
    with torch.no_grad():
        theirs = model(**processor(text=TEXTS, images=pictures, return_tensors="pt", padding=True))
    ours = (
        torch.nn.functional.normalize(clip.pictures(pictures)),
        torch.nn.functional.normalize(clip.texts(TEXTS)),
    )
    torch.testing.assert_close(ours[0], theirs.image_embeds)
    torch.testing.assert_close(ours[1], theirs.text_embeds)
    assert clip.dimension == DIMENSION
    assert clip.pictures([]).shape == clip.texts([]).shape == (0, DIMENSION)


def test_pictures_are_prepared_as_the_model_says(clip, clip_folder):
    wide = Image.fromarray(np.random.default_rng(1).integers(0, 256, (SIZE, 2 * SIZE, 3), dtype=np.uint8))
    middle = wide.crop((SIZE // 2, 0, SIZE // 2 + SIZE, SIZE))
    torch.testing.assert_close(clip.pictures([wide]), clip.pictures([middle]))
    said = json.loads((clip_folder / "preprocessor_config.json").read_text())
    scaled = torch.from_numpy(np.array(middle)).permute(2, 0, 1) / 255
    mean, std = (torch.tensor(said[name]).view(3, 1, 1) for name in ("image_mean", "image_std"))
    model = CLIPModel.from_pretrained(clip_folder)
    with torch.no_grad():
        expected = model.get_image_features(((scaled - mean) / std)[None]).pooler_output
    torch.testing.assert_close(clip.pictures([middle]), expected)


def test_the_oldest_preprocessing_files_are_understood(clip, clip_folder, tmp_path, pictures):
    """As OpenAI's own models have them: sizes as plain numbers, the class under its first name."""
    folder = shutil.copytree(clip_folder, tmp_path / "clip")
    said = json.loads((folder / "preprocessor_config.json").read_text())
    old = {"size": SIZE, "crop_size": SIZE, "feature_extractor_type": "CLIPFeatureExtractor", "resample": 3}
    kept = {
        name: said[name]
        for name in ("image_mean", "image_std", "do_resize", "do_center_crop", "do_normalize")
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(old | kept))
    torch.testing.assert_close(ClipEncoder(folder, device="cpu").pictures(pictures), clip.pictures(pictures))


def test_long_texts_are_cut_off(clip):
    full = "a photo of a person of a person of a person a photo of"  # 16 tokens with the marks of its ends
    longer, shorter = f"{full} a woman", full.removesuffix(" of")
    torch.testing.assert_close(clip.texts([longer]), clip.texts([full]))
    assert not torch.allclose(clip.texts([shorter]), clip.texts([full]))


def test_a_model_loads_without_a_word_but_its_bar(clip_folder):
    """Its torchvision variant would warn that it is not there."""
    lines = (
        "from transformers.utils.logging import disable_progress_bar; disable_progress_bar()",
        "from PIL import Image",
        "from detectors import ClipEncoder",
        f"ClipEncoder({str(clip_folder)!r}, device='cpu').pictures([Image.new('RGB', (8, 8))])",
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    )
    assert done.stdout == done.stderr == ""


def test_what_is_no_whole_clip_model_is_refused(clip_folder, tmp_path):
    with pytest.raises(DetectorLoadError, match=r"No CLIP model .*nothing: give a folder with config\.json"):
        ClipEncoder(tmp_path / "nothing")
    for missing in ("preprocessor_config.json", "model.safetensors"):
        folder = shutil.copytree(clip_folder, tmp_path / f"no-{missing}")
        (folder / missing).unlink()
        with pytest.raises(DetectorLoadError, match="No CLIP model"):
            ClipEncoder(folder, device="cpu")
    folder = shutil.copytree(clip_folder, tmp_path / "half")
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: value for name, value in weights.items() if not name.startswith("visual_projection")},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    with pytest.raises(DetectorLoadError, match=r"lacks 1 of the weights, such as visual_projection\.weight"):
        ClipEncoder(folder, device="cpu")


def test_pickled_weights_are_refused(clip_folder, tmp_path):
    folder = shutil.copytree(clip_folder, tmp_path / "pickled")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(DetectorLoadError, match="pickled weights can run code and are refused"):
        ClipEncoder(folder, device="cpu")


def test_settings_out_of_range_are_refused(clip_folder):
    with pytest.raises(DetectorSettingsError, match="No device 'toaster'"):
        ClipEncoder(clip_folder, device="toaster")
    with pytest.raises(DetectorSettingsError, match="0 at a time"):
        ClipEncoder(clip_folder, batch_size=0)
    assert ClipEncoder(clip_folder).name == str(clip_folder)
