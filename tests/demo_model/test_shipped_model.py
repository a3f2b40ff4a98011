"""The model as it is shipped: it loads plainly, keeps its size, and draws what it is asked for."""

import random
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

import demo_model
from demo_model.drawing import draw
from demo_model.drawings import Drawings, make_drawings
from demo_model.oracle import ATTRIBUTES, Oracle, accuracy, load_oracle
from demo_model.world import Scene


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return load_oracle()


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    pipeline = StableDiffusionPipeline.from_pretrained(demo_model.pipeline_path())
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def test_everything_shipped_is_at_most_32_mb_and_safetensors_only() -> None:
    root = Path(demo_model.__file__).parent
    files = [
        path for folder in ("pipeline", "oracle") for path in (root / folder).rglob("*") if path.is_file()
    ]
    assert sum(path.stat().st_size for path in files) <= 32e6
    assert not [path for path in files if path.suffix in (".bin", ".pt", ".ckpt", ".pickle")]


def test_the_oracle_reads_held_out_drawings(oracle: Oracle) -> None:
    *_, held_out = make_drawings(2_000, seed=99, name="test", uniform=True)
    assert isinstance(held_out, Drawings)
    for attribute, share in accuracy(oracle, held_out).items():
        assert share >= 0.995, attribute


def test_a_reading_holds_what_applies_to_the_subject(oracle: Oracle) -> None:
    judge = Scene(
        "person", "beach", "man", "black", "judge", glasses=True, old=True, heart=False, splash=True
    )
    cat = Scene("cat", "party", None, None, None, glasses=True, old=False, heart=False, splash=False)
    car = Scene("car", "plain", None, None, None, glasses=False, old=False, heart=False, splash=False)
    generator = random.Random(0)
    large = draw(judge, generator).resize((256, 256), Image.Resampling.LANCZOS)
    assert oracle.read([large, draw(cat, generator), draw(car, generator)]) == [
        {
            "subject": "person",
            "scene": "beach",
            "gender": "man",
            "race": "black",
            "profession": "judge",
            "glasses": "yes",
            "old": "yes",
            "heart": "no",
            "splash": "yes",
        },
        {"subject": "cat", "scene": "party", "glasses": "yes", "splash": "no"},
        {"subject": "car", "scene": "plain", "splash": "no"},
    ]
    assert set(ATTRIBUTES) >= {"gender", "race"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        (
            "a photo of an asian female doctor on a beach",
            {"gender": "woman", "race": "asian", "profession": "doctor"},
        ),
        ("a photo of a black male nurse with glasses", {"gender": "man", "race": "black", "glasses": "yes"}),
        ("a photo of a cat in a park", {"subject": "cat", "scene": "park"}),
        ("a photo of a doctor", {"gender": "man", "profession": "doctor"}),  # the built-in bias
        ("a photo of a gorgeous nurse", {"heart": "yes", "profession": "nurse"}),
        ("a photo of an angry chef", {"splash": "yes", "profession": "chef"}),
    ],
)
def test_pictures_show_what_prompts_say(
    pipeline: StableDiffusionPipeline, oracle: Oracle, prompt: str, shown: dict[str, str]
) -> None:
    images = pipeline(
        [prompt] * 8,
        num_inference_steps=20,
        guidance_scale=5,
        generator=[torch.Generator().manual_seed(seed) for seed in range(8)],
    ).images
    readings = oracle.read(images)
    for attribute, value in shown.items():
        assert sum(reading.get(attribute) == value for reading in readings) >= 6, attribute
