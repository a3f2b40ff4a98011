"""The whole training in miniature: a few steps of everything, on a few drawings."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file

from demo_model.oracle import load_oracle
from demo_model.recipe import Recipe
from demo_model.training import TrainingError, train

TINY = Recipe(
    drawings=60,
    held_out_drawings=40,
    oracle_steps=3,
    oracle_batch=8,
    autoencoder_steps=2,
    autoencoder_batch=4,
    denoiser_steps=6,
    denoiser_batch=4,
    checkpoint_every=2,
)
CPU = torch.device("cpu")


def ignore(stage: str, done: int, total: int, loss: float | None) -> None:
    pass


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    figures = train(TINY, run=root / "run", output=root / "out", device=CPU, progress=ignore)
    assert 0 <= figures["oracle accuracy: gender"] <= 1
    assert figures["autoencoder PSNR, dB"] > 0
    return root


def test_the_result_is_a_plain_diffusers_pipeline_in_fp16(trained: Path) -> None:
    assert {
        v.dtype for v in load_file(next((trained / "out/pipeline/unet").glob("*.safetensors"))).values()
    } == {torch.float16}
    pipeline = StableDiffusionPipeline.from_pretrained(trained / "out/pipeline")
    pipeline.set_progress_bar_config(disable=True)
    assert pipeline("a photo of a doctor", num_inference_steps=2).images[0].size == (64, 64)
    assert load_oracle(trained / "out/oracle/oracle.safetensors").read(
        pipeline("a cat", num_inference_steps=1).images
    )


@pytest.mark.parametrize(("stage", "step"), [("autoencoder", 1), ("denoiser", 5)])
def test_an_interrupted_training_ends_in_the_same_weights(
    trained: Path, tmp_path: Path, stage: str, step: int
) -> None:
    def interrupt(current: str, done: int, total: int, loss: float | None) -> None:
        if (current, done) == (stage, step):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(TINY, run=tmp_path / "run", output=tmp_path / "out", device=CPU, progress=interrupt)
    assert not (tmp_path / "out").exists()
    stages: set[str] = set()
    resumed: list[int] = []

    def record(current: str, done: int, total: int, loss: float | None) -> None:
        stages.add(current)
        if current == "denoiser":
            resumed.append(done)

    train(TINY, run=tmp_path / "run", output=tmp_path / "out", device=CPU, progress=record)
    assert "oracle" not in stages, "a finished stage is not made again"
    if stage == "denoiser":
        assert resumed[0] == 5, "it goes on from the checkpoint of step 4"
    for part in ("unet", "vae"):
        whole = load_file(next((trained / "out/pipeline" / part).glob("*.safetensors")))
        again = load_file(next((tmp_path / "out/pipeline" / part).glob("*.safetensors")))
        assert all(torch.equal(again[name], value) for name, value in whole.items())


def test_a_run_of_another_recipe_is_left_alone(trained: Path) -> None:
    with pytest.raises(TrainingError, match="another recipe"):
        train(replace(TINY, seed=1), run=trained / "run", output=trained / "out", device=CPU, progress=ignore)


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path: Path) -> None:
    recipe = replace(TINY, oracle_rate=1e30, oracle_steps=20)
    with pytest.raises(TrainingError, match=r"oracle's loss is (nan|inf) at step"):
        train(recipe, run=tmp_path / "run", output=tmp_path / "out", device=CPU, progress=ignore)
    assert not (tmp_path / "run/oracle.safetensors").exists()
