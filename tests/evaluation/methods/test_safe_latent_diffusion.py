import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion import DiffusionModel, Engine, Row, Sampling, make_scheduler
from diffusion.errors import SamplingError
from evaluation.errors import EvaluationError
from evaluation.methods.safe_latent_diffusion import (
    PRESETS,
    Preset,
    SafeLatentDiffusion,
    safety_guidance,
)
from evaluation.prompts import Prompt
from evaluation.wish import Wish
from evaluation.wording import Wording

SAMPLING = Sampling(5, 7.5)
PROMPTS = [Prompt("a photo of a doctor", "doctor"), Prompt("a picture of a dog", subject="dog")]
WISHES = [Wish(prompt, seed, SAMPLING, ("anti-sexual",)) for seed, prompt in enumerate(PROMPTS, start=3)]


def ignore(done: int, total: int) -> None:
    pass


def plain_pictures(engine: Engine) -> np.ndarray:
    made = engine.generate([Row(wish.prompt.text, wish.seed) for wish in WISHES], SAMPLING)
    return np.stack([np.asarray(one.image, dtype=int) for one in made])


def pictures(engine: Engine, wording: Wording, preset: Preset) -> np.ndarray:
    made = SafeLatentDiffusion(engine, wording, preset).make(WISHES, SAMPLING, ignore)
    return np.stack([np.asarray(one.image, dtype=int) for one in made])


def test_one_step_by_hand() -> None:
    preset = Preset("by hand", 2.0, 0, 0.1, 0.5, 0.75)
    # d = conditional - concept = -0.3, -0.7, 0.05, 0.2; scale = min(1, 2 |d|) where d < 0.1, else 0
    unconditional = torch.tensor([0.0, 0.0, 0.0, 0.0])
    concept = torch.tensor([1.0, 1.0, 1.0, 1.0])
    conditional = torch.tensor([0.7, 0.3, 1.05, 1.2])
    momentum = torch.tensor([0.2, 0.0, 0.0, 0.4])
    guidance, following = safety_guidance(unconditional, conditional, concept, momentum, preset)
    expected = torch.tensor([0.6 + 0.1, 1.0, 0.1, 0.2])
    assert torch.allclose(guidance, expected)
    assert torch.allclose(following, 0.75 * momentum + 0.25 * expected)


def test_the_presets_are_the_published_ones() -> None:
    assert list(PRESETS) == ["weak", "medium", "strong", "max"]
    figures = [
        (one.guidance, one.warmup_steps, one.threshold, one.momentum_scale, one.momentum_beta)
        for one in PRESETS.values()
    ]
    assert figures == [
        (20, 15, 0.0, 0.0, 0.0),
        (1000, 10, 0.01, 0.3, 0.4),
        (2000, 7, 0.025, 0.5, 0.7),
        (5000, 0, 1.0, 0.5, 0.7),
    ]
    assert [PRESETS["medium"].warmup(steps) for steps in (50, 20)] == [10, 4]


def test_without_guidance_the_picture_is_the_plain_one(model: DiffusionModel, wording: Wording) -> None:
    engine = Engine(model, wording._library)
    nothing = replace(PRESETS["max"], guidance=0)
    assert np.abs(pictures(engine, wording, nothing) - plain_pictures(engine)).max() <= 1


def test_a_warm_up_of_all_steps_leaves_the_picture_alone(engine: Engine, wording: Wording) -> None:
    late = replace(PRESETS["max"], warmup_steps=50)
    assert np.abs(pictures(engine, wording, late) - plain_pictures(engine)).max() <= 1
    assert np.abs(pictures(engine, wording, PRESETS["max"]) - plain_pictures(engine)).mean() > 1


def test_nothing_is_guided_beyond_the_threshold() -> None:
    conditional = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    still = torch.zeros_like(conditional)
    never = replace(PRESETS["max"], threshold=-1e9)
    guidance, momentum = safety_guidance(still, conditional, -conditional, still, never)
    assert not guidance.any()
    assert not momentum.any()
    halfway = replace(PRESETS["max"], threshold=0.0)
    guidance, _ = safety_guidance(still, conditional, -conditional, still, halfway)
    assert torch.equal(guidance != 0, conditional < 0)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_the_pictures_are_those_of_diffusers_safe_pipeline(
    engine: Engine, wording: Wording, preset: Preset
) -> None:
    parts = engine.model.pipe.components
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the pipeline is no longer maintained
        from diffusers.pipelines.deprecated.stable_diffusion_safe import StableDiffusionPipelineSafe

        safe = StableDiffusionPipelineSafe(
            **{name: parts[name] for name in ("vae", "text_encoder", "tokenizer", "unet")},
            scheduler=make_scheduler("ddim", engine.model.scheduler_config),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        safe.set_progress_bar_config(disable=True)
        safe.safety_concept = "sexual"
        reference = safe(
            [wish.prompt.text for wish in WISHES],
            num_inference_steps=SAMPLING.num_inference_steps,
            guidance_scale=SAMPLING.guidance_scale,
            generator=[torch.Generator().manual_seed(wish.seed) for wish in WISHES],
            sld_guidance_scale=preset.guidance,
            sld_warmup_steps=preset.warmup(SAMPLING.num_inference_steps),
            sld_threshold=preset.threshold,
            sld_momentum_scale=preset.momentum_scale,
            sld_mom_beta=preset.momentum_beta,
        ).images
    expected = np.stack([np.asarray(image, dtype=int) for image in reference])
    assert np.abs(pictures(engine, wording, preset) - expected).max() <= 1


def test_a_picture_does_not_depend_on_its_batch(engine: Engine, wording: Wording) -> None:
    told: list[tuple[int, int]] = []
    method = SafeLatentDiffusion(Engine(engine.model, engine.vectors, 1), wording, PRESETS["strong"])
    alone = method.make(WISHES, SAMPLING, lambda done, total: told.append((done, total)))
    together = pictures(engine, wording, PRESETS["strong"])
    assert np.abs(np.stack([np.asarray(one.image, dtype=int) for one in alone]) - together).max() <= 1
    assert told == [(step, 10) for step in range(1, 11)]
    assert [one.seed for one in alone] == [3, 4]


def test_what_it_cannot_do_is_refused(engine: Engine, wording: Wording) -> None:
    method = SafeLatentDiffusion(engine, wording, PRESETS["weak"])
    assert method.covers(["anti-sexual", "anti-violence"])
    assert not method.covers(["anti-sexual", "woman"])
    with pytest.raises(EvaluationError, match="SLD weak takes DDIM steps with a guidance scale above 1"):
        method.check(WISHES, Sampling(5, 1.0))
    with pytest.raises(EvaluationError, match="not euler steps"):
        method.check(WISHES, Sampling(5, 7.5, scheduler="euler"))
    with pytest.raises(SamplingError):
        method.check(WISHES, Sampling(0, 7.5))
