import logging
import re

import pytest
import torch
from diffusers import (
    DDPMPipeline,
    DDPMScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPAGPipeline,
    UNet2DModel,
)
from PIL import Image

from diffusion import SiteError, SteeringError, added_at_site, load_model, steer
from vectors import shipped_library
from vectors.errors import UnknownConceptError, VectorMismatchError

PROMPTS = ["a photo of a woman", "a doctor", "a dog"]


def hooks_of(pipe):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in pipe.unet.modules())


@pytest.mark.parametrize("guidance", [5.0, 1.0])
def test_rows_without_steering_are_bit_identical_in_a_mixed_batch(model, make_vector, latents_of, guidance):
    vectors = {"woman": make_vector(model)}
    plain = latents_of(model.pipe, PROMPTS, guidance=guidance)
    with steer(model.pipe, [{}, {"woman": 1.0}, {"woman": 0.0}], vectors=vectors):
        steered = latents_of(model.pipe, PROMPTS, guidance=guidance)
    assert torch.equal(steered[0], plain[0])
    assert torch.equal(steered[2], plain[2])
    assert (steered[1] - plain[1]).abs().max() > 1e-3


def test_zero_strength_and_no_steering_are_the_plain_pipeline(sd1, make_vector, latents_of):
    plain = latents_of(sd1.pipe, PROMPTS)
    for steering in ({"woman": 0.0}, {}, [{}, {}, {}]):
        with steer(sd1.pipe, steering, vectors={"woman": make_vector(sd1)}):
            assert torch.equal(latents_of(sd1.pipe, PROMPTS), plain)


def test_the_vector_goes_on_the_conditional_half(model, make_vector, latents_of, watched):
    vector = make_vector(model)
    with watched(model.pipe.unet) as plain:
        latents_of(model.pipe, PROMPTS, steps=1)
    with (
        steer(model.pipe, {"woman": 0.5}, vectors={"woman": vector}),
        watched(model.pipe.unet) as steered,
    ):
        latents_of(model.pipe, PROMPTS, steps=1)
    unconditional, conditional = (steered[0] - plain[0]).chunk(2)
    assert torch.equal(unconditional, torch.zeros_like(unconditional))
    torch.testing.assert_close(conditional, (0.5 * vector.values).expand(3, -1, -1, -1), atol=1e-5, rtol=0)


def test_a_vector_for_both_halves_goes_on_both(sd1, make_vector, latents_of, watched):
    one, both = make_vector(sd1), make_vector(sd1, "man", seed=1, halves="both")
    with watched(sd1.pipe.unet) as plain:
        latents_of(sd1.pipe, PROMPTS, steps=1)
    with (
        steer(sd1.pipe, {"woman": 1.0, "man": 2.0}, vectors={"woman": one, "man": both}),
        watched(sd1.pipe.unet) as steered,
    ):
        latents_of(sd1.pipe, PROMPTS, steps=1)
    unconditional, conditional = (steered[0] - plain[0]).chunk(2)
    expected = (2 * both.values).expand(3, -1, -1, -1)
    torch.testing.assert_close(unconditional, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(conditional, expected + one.values, atol=1e-5, rtol=0)


def test_a_vector_for_the_unconditional_half_goes_on_that_alone(sd1, make_vector, latents_of, watched):
    vectors = {"calm": make_vector(sd1, "calm", halves="unconditional")}
    with watched(sd1.pipe.unet) as plain:
        latents_of(sd1.pipe, PROMPTS, steps=1)
    with steer(sd1.pipe, {"calm": 2.0}, vectors=vectors), watched(sd1.pipe.unet) as steered:
        latents_of(sd1.pipe, PROMPTS, steps=1)
    unconditional, conditional = (steered[0] - plain[0]).chunk(2)
    expected = (2 * vectors["calm"].values).expand(3, -1, -1, -1)
    torch.testing.assert_close(unconditional, expected, atol=1e-5, rtol=0)
    assert torch.equal(conditional, torch.zeros_like(conditional))


def test_each_map_of_a_vector_goes_on_its_own_half(sd1, make_vector, latents_of, watched):
    pair = make_vector(sd1, halves="both", unconditional_values=make_vector(sd1, seed=1).values)
    with watched(sd1.pipe.unet) as plain:
        latents_of(sd1.pipe, PROMPTS, steps=1)
    with (
        steer(sd1.pipe, [{"woman": 0.5}, {}, {"woman": 2.0}], vectors={"woman": pair}),
        watched(sd1.pipe.unet) as steered,
    ):
        latents_of(sd1.pipe, PROMPTS, steps=1)
    for half, found in zip((False, True), (steered[0] - plain[0]).chunk(2), strict=True):
        expected = torch.tensor([0.5, 0.0, 2.0]).view(3, 1, 1, 1) * pair.on(conditional=half)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
        assert torch.equal(found[1], torch.zeros_like(found[1]))


def test_two_maps_are_a_vector_for_each_half(sd1, make_vector, latents_of):
    pair = make_vector(sd1, halves="both", unconditional_values=make_vector(sd1, seed=1).values)
    apart = {
        "woman": make_vector(sd1),
        "calm": make_vector(sd1, "calm", seed=1, halves="unconditional"),
    }
    with steer(sd1.pipe, {"woman": 0.7, "calm": 0.7}, vectors=apart):
        expected = latents_of(sd1.pipe, PROMPTS)
    with steer(sd1.pipe, {"woman": 0.7}, vectors={"woman": pair}):
        torch.testing.assert_close(latents_of(sd1.pipe, PROMPTS), expected, atol=1e-5, rtol=0)


def test_without_guidance_a_vector_for_the_unconditional_half_is_refused(sd1, make_vector, latents_of):
    vectors = {"calm": make_vector(sd1, "calm", halves="unconditional")}
    with (
        pytest.raises(SteeringError, match="there is no guidance"),
        steer(sd1.pipe, {"calm": 1.0}, vectors=vectors),
    ):
        latents_of(sd1.pipe, PROMPTS, steps=1, guidance=1.0)


def test_without_guidance_every_row_is_conditional(sd1, make_vector, latents_of, watched):
    vector = make_vector(sd1)
    with watched(sd1.pipe.unet) as plain:
        latents_of(sd1.pipe, PROMPTS, steps=1, guidance=1.0)
    with steer(sd1.pipe, {"woman": 1.0}, vectors={"woman": vector}), watched(sd1.pipe.unet) as steered:
        latents_of(sd1.pipe, PROMPTS, steps=1, guidance=1.0)
    torch.testing.assert_close(steered[0] - plain[0], vector.values.expand(3, -1, -1, -1), atol=1e-5, rtol=0)


def test_a_vector_is_added_at_its_timesteps_only(models, make_vector, latents_of, watched):
    model = models["sd2"]  # DDIM: four steps are at 751, 501, 251 and 1
    plain = latents_of(model.pipe, PROMPTS[:1], steps=4)
    with watched(model.pipe.unet) as before:
        latents_of(model.pipe, PROMPTS[:1], steps=4)

    def steered(timesteps):
        vector = make_vector(model, timesteps=timesteps)
        with (
            steer(model.pipe, {"woman": 1.0}, vectors={"woman": vector}),
            watched(model.pipe.unet) as seen,
        ):
            return latents_of(model.pipe, PROMPTS[:1], steps=4), seen

    for missed in ((0, 1), (2, 251), (252, 501), (752, 1000)):
        assert torch.equal(steered(missed)[0], plain)
    latents, seen = steered((0, 252))
    assert not torch.equal(latents, plain)
    changed = [not torch.equal(now, then) for now, then in zip(seen, before, strict=True)]
    assert changed == [False, False, True, True]


def test_steering_of_each_image_follows_the_order_of_images(sd1, make_vector, latents_of, watched):
    vector = make_vector(sd1)
    strengths = [0.0, 1.0, 2.0, 3.0]
    with watched(sd1.pipe.unet) as plain:
        latents_of(sd1.pipe, PROMPTS[:2], steps=1, images_per_prompt=2)
    with (
        steer(sd1.pipe, [{"woman": s} for s in strengths], vectors={"woman": vector}),
        watched(sd1.pipe.unet) as steered,
    ):
        latents_of(sd1.pipe, PROMPTS[:2], steps=1, images_per_prompt=2)
    _, conditional = (steered[0] - plain[0]).chunk(2)
    expected = torch.stack([strength * vector.values for strength in strengths])
    torch.testing.assert_close(conditional, expected, atol=1e-5, rtol=0)


def test_a_sequence_of_another_length_is_refused(sd1, make_vector, latents_of):
    for steering in ([{"woman": 1.0}, {}], [{}, {}]):
        with (
            steer(sd1.pipe, steering, vectors={"woman": make_vector(sd1)}),
            pytest.raises(SteeringError, match=r"for 2 images and the pipeline makes 3"),
        ):
            latents_of(sd1.pipe, PROMPTS)


def test_nested_blocks_add_up(sd1, make_vector, latents_of):
    vectors = {"woman": make_vector(sd1), "man": make_vector(sd1, "man", seed=1)}
    with steer(sd1.pipe, {"woman": 1.0, "man": -0.5}, vectors=vectors):
        at_once = latents_of(sd1.pipe, PROMPTS)
    with steer(sd1.pipe, {"woman": 1.0}, vectors=vectors):
        alone = latents_of(sd1.pipe, PROMPTS)
        with steer(sd1.pipe, {"man": -0.5}, vectors=vectors):
            nested = latents_of(sd1.pipe, PROMPTS)
        assert torch.equal(latents_of(sd1.pipe, PROMPTS), alone)
    torch.testing.assert_close(nested, at_once, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(nested, alone, atol=1e-3)


def test_nothing_is_left_behind(sd1, make_vector, latents_of):
    before = hooks_of(sd1.pipe)
    plain = latents_of(sd1.pipe, PROMPTS)
    with (  # noqa: PT012
        pytest.raises(RuntimeError, match="broken"),
        steer(sd1.pipe, {"woman": 1.0}, vectors={"woman": make_vector(sd1)}),
    ):
        assert hooks_of(sd1.pipe) > before
        raise RuntimeError("broken")
    assert hooks_of(sd1.pipe) == before
    unfit = make_vector(sd1, site="nowhere")
    with pytest.raises(SiteError), steer(sd1.pipe, {"woman": 1.0}, vectors={"woman": unfit}):
        pass
    assert hooks_of(sd1.pipe) == before
    assert torch.equal(latents_of(sd1.pipe, PROMPTS), plain)


def test_vectors_of_several_sites_are_added_each_at_its_own(sd1, make_vector, latents_of):
    vectors = {
        "woman": make_vector(sd1),
        "man": make_vector(sd1, "man", shape=(16, 8, 8), site="up_blocks.1.resnets.0"),
    }
    with steer(sd1.pipe, {"woman": 1.0}, vectors=vectors):
        mid_only = latents_of(sd1.pipe, PROMPTS)
    with steer(sd1.pipe, {"woman": 1.0, "man": 1.0}, vectors=vectors):
        both = latents_of(sd1.pipe, PROMPTS)
    assert (both - mid_only).abs().max() > 1e-3


def test_another_size_resizes_and_says_so(sd1, make_vector, latents_of, watched, caplog):
    vector = make_vector(sd1)
    with watched(sd1.pipe.unet) as plain:
        latents_of(sd1.pipe, PROMPTS[:1], height=48, width=32)
    with (
        caplog.at_level(logging.INFO, logger="diffusion"),
        steer(sd1.pipe, {"woman": 1.0}, vectors={"woman": vector}),
        watched(sd1.pipe.unet) as steered,
    ):
        latents_of(sd1.pipe, PROMPTS[:1], height=48, width=32)
    _, conditional = (steered[0] - plain[0]).chunk(2)
    torch.testing.assert_close(conditional[0], vector.resized(6, 4).values, atol=1e-5, rtol=0)
    assert caplog.messages == ["Vector woman resized from 4 x 4 to 6 x 4."]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
def test_reduced_precision(folders, make_vector, latents_of, watched, kind, dtype):
    model = load_model(folders[kind], device="cpu", dtype=dtype)
    vector = make_vector(model)
    with watched(model.pipe.unet) as before:
        plain = latents_of(model.pipe, PROMPTS[:2], steps=1)
    with (
        steer(model.pipe, [{}, {"woman": 1.0}], vectors={"woman": vector}),
        watched(model.pipe.unet) as after,
    ):
        steered = latents_of(model.pipe, PROMPTS[:2], steps=1)
    assert after[0].dtype == model.dtype
    assert torch.equal(steered[0], plain[0])
    assert torch.equal(after[0][3], (before[0][3].float() + vector.values).to(model.dtype))


def test_autocast_does_not_round_the_sum(sd1, make_vector, latents_of, watched):
    vectors = {"woman": make_vector(sd1), "man": make_vector(sd1, "man", seed=1)}
    with torch.autocast("cpu", torch.bfloat16):
        with watched(sd1.pipe.unet) as before:
            latents_of(sd1.pipe, PROMPTS[:1], steps=1)
        with (
            steer(sd1.pipe, {"woman": 0.3, "man": 0.7}, vectors=vectors),
            watched(sd1.pipe.unet) as after,
        ):
            latents_of(sd1.pipe, PROMPTS[:1], steps=1)
    added = 0.3 * vectors["woman"].values + 0.7 * vectors["man"].values
    expected = (before[0][1].float() + added).to(before[0].dtype)
    torch.testing.assert_close(after[0][1], expected, atol=1e-6, rtol=0)


def test_image_to_image(sd1, make_vector, latents_of):
    pipe = StableDiffusionImg2ImgPipeline(**sd1.pipe.components, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    image = Image.new("RGB", (32, 32), "teal")
    plain = latents_of(pipe, PROMPTS[:2], image=image, strength=0.8, steps=5)
    with steer(pipe, [{}, {"woman": 1.0}], vectors={"woman": make_vector(sd1)}):
        steered = latents_of(pipe, PROMPTS[:2], image=image, strength=0.8, steps=5)
    assert torch.equal(steered[0], plain[0])
    assert not torch.allclose(steered[1], plain[1], atol=1e-3)


def test_a_pipeline_that_guides_otherwise_is_refused(folders, make_vector):
    model = load_model(folders["sd1"], device="cpu")
    pipe = StableDiffusionPAGPipeline(
        **model.pipe.components, requires_safety_checker=False, pag_applied_layers="mid"
    )
    pipe.set_progress_bar_config(disable=True)
    with (
        steer(pipe, {"woman": 1.0}, vectors={"woman": make_vector(model)}),
        pytest.raises(SteeringError, match="does not guide with pairs"),
    ):
        pipe(PROMPTS[:2], num_inference_steps=1, pag_scale=3.0)


def test_a_pipeline_without_guidance_is_refused():
    unet = UNet2DModel(
        sample_size=8,
        block_out_channels=(16,),
        norm_num_groups=8,
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
    )
    pipe = DDPMPipeline(unet, DDPMScheduler())
    with pytest.raises(SteeringError, match="A DDPMPipeline cannot be steered"), steer(pipe, {"woman": 1.0}):
        pass


def test_the_u_net_outside_of_its_pipeline_is_refused(folders, make_vector):
    model = load_model(folders["sd1"], device="cpu")
    encoding = model.encode(["a dog"])
    with (
        steer(model.pipe, {"woman": 1.0}, vectors={"woman": make_vector(model)}),
        pytest.raises(SteeringError, match="outside of StableDiffusionPipeline's own call"),
    ):
        model.predict(torch.zeros(1, 4, 8, 8), torch.tensor([500]), encoding)


def test_a_vector_of_another_model_is_refused_and_both_sides_named(models, make_vector):
    sdxl, sd1 = models["sdxl"], models["sd1"]
    foreign = make_vector(sdxl)
    with (
        pytest.raises(VectorMismatchError) as raised,
        steer(sd1.pipe, {"woman": 1.0}, vectors={"woman": foreign}),
    ):
        pass
    assert sdxl.fingerprint[:19] in str(raised.value)
    assert sd1.fingerprint[:19] in str(raised.value)


def test_a_vector_with_other_channels_is_refused(sd1, make_vector):
    unfit = make_vector(sd1, shape=(16, 4, 4))
    with (
        pytest.raises(VectorMismatchError, match=r"channels: the vector's 16, the model's 32"),
        steer(sd1.pipe, {"woman": 1.0}, vectors={"woman": unfit}),
    ):
        pass


@pytest.mark.parametrize("strength", [float("nan"), float("inf")])
def test_a_strength_must_be_finite(sd1, make_vector, strength):
    with (
        pytest.raises(SteeringError, match=f"strength {strength} of 'woman'"),
        steer(sd1.pipe, {"woman": strength}, vectors={"woman": make_vector(sd1)}),
    ):
        pass


def test_vectors_come_from_a_library_its_folder_or_a_mapping(sd1, make_vector, library, latents_of):
    vector = make_vector(sd1)
    library.publish(make_vector(sd1, seed=1))
    library.publish(vector)
    with steer(sd1.pipe, {"woman": 1.0}, vectors={"woman": vector}):
        expected = latents_of(sd1.pipe, PROMPTS)
    for source in (library, library.root, str(library.root)):
        for name in ("woman", "woman@2"):
            with steer(sd1.pipe, {name: 1.0}, vectors=source):
                assert torch.equal(latents_of(sd1.pipe, PROMPTS), expected)
    with steer(sd1.pipe, {"woman@1": 1.0}, vectors=library):
        assert not torch.allclose(latents_of(sd1.pipe, PROMPTS), expected, atol=1e-3)


def test_an_unknown_concept_is_named_with_what_there_is(sd1, make_vector, library):
    library.publish(make_vector(sd1))
    with (
        pytest.raises(UnknownConceptError, match=r"'womam'.*Did you mean woman"),
        steer(sd1.pipe, {"womam": 1.0}, vectors=library),
    ):
        pass
    with (
        pytest.raises(SteeringError, match=r"'womam'.*Did you mean woman"),
        steer(sd1.pipe, {"womam": 1.0}, vectors={"woman": make_vector(sd1)}),
    ):
        pass


def test_concepts_are_looked_up_in_the_shipped_library_by_default(sd1):
    with (
        pytest.raises(UnknownConceptError, match=f"in the library {re.escape(str(shipped_library().root))}"),
        steer(sd1.pipe, {"no-such-concept": 1.0}),
    ):
        pass


def test_gradients_reach_what_is_added_and_nothing_else(sd1):
    vector = torch.zeros(32, 4, 4, requires_grad=True)
    encoding = sd1.encode(["a dog", "a man"])
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    timesteps = torch.tensor([900, 100])
    plain = sd1.predict(latents, timesteps, encoding)
    with added_at_site(sd1.pipe.unet, "mid_block", lambda h: h + vector):
        learning = sd1.predict(latents, timesteps, encoding)
    assert torch.equal(learning, plain)
    (learning - latents).square().mean().backward()
    assert vector.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in sd1.pipe.unet.parameters())


def test_a_site_must_give_a_map(sd1):
    with (
        added_at_site(sd1.pipe.unet, "time_embedding", lambda h: h),
        pytest.raises(SiteError, match=r"'time_embedding' gives a tensor \[1, 64\]"),
    ):
        sd1.predict(torch.zeros(1, 4, 8, 8), torch.tensor([500]), sd1.encode(["a dog"]))
    with (
        added_at_site(sd1.pipe.unet, "down_blocks.0", lambda h: h),
        pytest.raises(SiteError, match=r"'down_blocks\.0' gives a tuple"),
    ):
        sd1.predict(torch.zeros(1, 4, 8, 8), torch.tensor([500]), sd1.encode(["a dog"]))
