import threading

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from PIL import Image
from tiny_pipelines import tiny_sd1

from diffusion import (
    DiffusionModel,
    ModelLoadError,
    PromptEncoding,
    PromptTooLongError,
    SizeError,
    ddim_step,
    ddim_timesteps,
    load_model,
    make_scheduler,
)


@pytest.fixture
def ddim_pipe(model):
    """The model's own pipeline with DDIM, as a reference."""
    own = model.pipe.scheduler
    model.pipe.scheduler = make_scheduler("ddim", model.scheduler_config)
    yield model.pipe
    model.pipe.scheduler = own


def test_its_parts_make_the_image_that_the_pipeline_makes(model, ddim_pipe):
    prompts, negative = ["a photo of a woman", "a dog"], ["", "ugly"]
    noise = torch.randn(2, 4, 12, 8, generator=torch.Generator().manual_seed(0))
    latents, guidance, size = noise, 5.0, {"height": 48, "width": 32}

    conditional, unconditional = model.encode(prompts), model.encode_negative(negative)
    for t, t_previous in zip(*ddim_timesteps(model, 5), strict=True):
        towards = model.predict(latents, t.expand(2), conditional)
        away = model.predict(latents, t.expand(2), unconditional)
        prediction = away + guidance * (towards - away)
        latents = ddim_step(latents, prediction, t.expand(2), t_previous.expand(2), model)
    images = model.to_pil(model.decode(latents))

    for row, (prompt, other) in enumerate(zip(prompts, negative, strict=True)):
        expected = ddim_pipe(
            prompt,
            negative_prompt=other or None,
            latents=noise[row : row + 1],
            guidance_scale=guidance,
            num_inference_steps=5,
            **size,
        ).images[0]
        difference = np.abs(np.asarray(images[row], int) - np.asarray(expected, int))
        assert images[row].size == (32, 48)
        assert difference.max() <= 1


def test_rows_at_different_timesteps_are_predicted_as_if_alone(model):
    latents = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    timesteps = torch.tensor([981, 500, 1])
    encoding = model.encode(["a dog", "a man", "a nurse"])
    together = model.predict(latents, timesteps, encoding)
    for row in range(3):
        one = slice(row, row + 1)
        alone = model.predict(latents[one], timesteps[one], encoding[one])
        torch.testing.assert_close(together[one], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_full_precision_latents_are_predicted_in_the_models_precision(folders, dtype):
    model = load_model(folders["sdxl"], device="cpu", dtype=dtype)
    prediction = model.predict(torch.zeros(1, 4, 8, 8), torch.tensor([500]), model.encode(["a dog"]))
    assert prediction.dtype == model.dtype == getattr(torch, dtype)


@pytest.mark.filterwarnings("ignore:`upcast_vae` is deprecated:FutureWarning")  # SDXL's pipeline calls it
def test_a_half_precision_vae_is_decoded_as_its_pipeline_does(folders):
    for kind in ("sd1", "sdxl"):
        model = load_model(folders[kind], device="cpu", dtype="float16")
        latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)).half()
        finished = {"num_inference_steps": 1, "latents": latents, "guidance_scale": 1.0}
        outputs = {
            kind: model.pipe("a dog", generator=torch.Generator(), output_type=kind, **finished).images
            for kind in ("latent", "pt")
        }
        decoded = model.decode(outputs["latent"])
        assert model.pipe.vae.dtype == torch.float16
        torch.testing.assert_close(decoded, outputs["pt"].float(), atol=1e-3, rtol=0)


def test_it_is_frozen(model):
    parts = [part for part in model.pipe.components.values() if isinstance(part, torch.nn.Module)]
    assert len(parts) >= 3
    for part in parts:
        assert not part.training
        assert not any(parameter.requires_grad for parameter in part.parameters())


def test_negative_prompts_follow_the_pipeline_for_no_prompt(models):
    sdxl = models["sdxl"].encode_negative(["", "ugly"])
    assert not sdxl.embeds[0].any()
    assert not sdxl.pooled[0].any()
    ugly = models["sdxl"].encode(["ugly"])
    torch.testing.assert_close(sdxl[[1]].embeds, ugly.embeds)
    torch.testing.assert_close(sdxl[[1]].pooled, ugly.pooled)
    sd1 = models["sd1"].encode_negative([""])
    assert torch.equal(sd1.embeds, models["sd1"].encode([""]).embeds)
    assert sd1.embeds.any()


def test_encodings_are_picked_and_joined_by_rows(model):
    encoding = model.encode(["a dog", "a man", "a nurse"])
    assert len(encoding) == 3
    again = PromptEncoding.concat([encoding[1:], encoding[[0, 0]], encoding[torch.tensor([2])]])
    assert len(again) == 5
    order = [1, 2, 0, 0, 2]
    assert torch.equal(again.embeds, encoding.embeds[order])
    if encoding.pooled is None:
        assert again.pooled is None
    else:
        assert torch.equal(again.pooled, encoding.pooled[order])


def test_a_prompt_the_encoder_would_cut_off_is_refused(model):
    longest = " ".join(["woman"] * 14)
    assert model.count_tokens(longest) == model.token_limit == 16
    assert len(model.encode([longest])) == 1
    with pytest.raises(PromptTooLongError, match=r"has 18 tokens; .* reads 16, .* Shorten it by at least 2"):
        model.encode(["a dog", longest + " dog dog"])


def test_tokens_are_counted_while_prompts_are_encoded(sd1):
    failures = []

    def count():
        try:
            for _ in range(200):
                assert sd1.count_tokens("woman " * 30) == 32
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    expected = sd1.encode(["a dog"]).embeds
    for _ in range(20):
        assert torch.equal(sd1.encode(["a dog"]).embeds, expected)
    for thread in threads:
        thread.join()
    assert not failures


def test_sizes(model):
    assert model.default_size == (32, 32)
    assert model.pixel_multiple == 8
    assert model.latent_shape(48, 32) == (4, 12, 8)
    assert model.num_train_timesteps == 1000
    for height, width, side in ((36, 32, "height 36"), (32, 0, "width 0"), (-8, 32, "height -8")):
        with pytest.raises(SizeError, match=rf"The {side} is not a multiple of 8 pixels: use \d+ or \d+"):
            model.latent_shape(height, width)
    with pytest.raises(SizeError, match="use 32 or 40, or the model's own size, 32 x 32"):
        model.site_shape(36, 32)


def test_pictures_become_the_latents_of_the_vae(model):
    pictures = [Image.new("RGB", (32, 48), colour) for colour in ("teal", "white")]
    latents = model.encode_images(pictures)
    assert latents.shape == (2, 4, 12, 8)
    white = model.pipe.vae.encode(torch.ones(1, 3, 48, 32)).latent_dist.mode()
    expected = white * model.pipe.vae.config.scaling_factor
    torch.testing.assert_close(latents[1:], expected, atol=1e-4, rtol=0)
    with pytest.raises(SizeError, match="these are 32 x 32 and 48 x 32"):
        model.encode_images([*pictures, Image.new("RGB", (32, 32))])
    with pytest.raises(SizeError, match="these are none"):
        model.encode_images([])
    with pytest.raises(SizeError, match="height 36"):
        model.encode_images([Image.new("RGB", (32, 36))])


def test_published_latent_statistics_are_undone_and_applied(folders):
    model = load_model(folders["sdxl"], device="cpu")
    pictures = [Image.new("RGB", (32, 32), "teal")]
    plain = model.encode_images(pictures)
    model.pipe.vae.register_to_config(latents_mean=[0.1, 0.2, 0.3, 0.4], latents_std=[1.0, 2.0, 3.0, 4.0])
    latents = model.encode_images(pictures)
    assert not torch.allclose(latents, plain)
    scaling = model.pipe.vae.config.scaling_factor
    mean = torch.tensor([0.1, 0.2, 0.3, 0.4]).view(1, 4, 1, 1)
    std = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1)
    torch.testing.assert_close(latents * std / scaling + mean, plain / scaling)
    again = model.decode(latents)
    model.pipe.vae.register_to_config(latents_mean=None, latents_std=None)
    torch.testing.assert_close(again, model.decode(plain))


def test_a_model_that_predicts_the_sample_is_refused():
    pipe = tiny_sd1()
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, prediction_type="sample")
    with pytest.raises(ModelLoadError, match="predicts 'sample'; only models that predict epsilon or v_pred"):
        DiffusionModel(pipe, "odd")
