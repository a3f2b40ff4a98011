import pytest
import torch
from diffusers import DDIMScheduler
from tiny_pipelines import tiny_sd1

from diffusion import (
    SCHEDULERS,
    DiffusionModel,
    SamplingError,
    UnknownSchedulerError,
    ddim_step,
    ddim_timesteps,
    make_scheduler,
    schedules,
)
from diffusion.schedules import SchedulerKind, schedule
from diffusion.step_tables import ddim_table


def variant(prediction_type: str, set_alpha_to_one: bool) -> DiffusionModel:
    pipe = tiny_sd1()
    pipe.scheduler = DDIMScheduler.from_config(
        pipe.scheduler.config, prediction_type=prediction_type, set_alpha_to_one=set_alpha_to_one
    )
    return DiffusionModel(pipe, "variant")


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("set_alpha_to_one", [True, False])
@pytest.mark.parametrize("steps", [7, 20])
def test_a_ddim_trajectory_is_that_of_diffusers(prediction_type, set_alpha_to_one, steps):
    model = variant(prediction_type, set_alpha_to_one)
    reference = make_scheduler("ddim", model.scheduler_config)
    reference.set_timesteps(steps)
    timesteps, previous = ddim_timesteps(model, steps)
    assert torch.equal(timesteps, reference.timesteps)
    generator = torch.Generator().manual_seed(0)
    expected = latents = torch.randn(2, 4, 8, 8, generator=generator)
    for t, t_previous in zip(timesteps, previous, strict=True):
        prediction = torch.randn(2, 4, 8, 8, generator=generator)
        expected = reference.step(prediction, t, expected).prev_sample
        latents = ddim_step(latents, prediction, t.expand(2), t_previous.expand(2), model)
        torch.testing.assert_close(latents, expected, atol=1e-5, rtol=1e-5)


def test_rows_at_different_timesteps_step_as_if_alone(model):
    timesteps, previous = ddim_timesteps(model, 10)
    picked = torch.tensor([0, 4, 9])
    latents, prediction = torch.randn(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    together = ddim_step(latents, prediction, timesteps[picked], previous[picked], model)
    for row, step in enumerate(picked.tolist()):
        one = slice(row, row + 1)
        alone = ddim_step(
            latents[one], prediction[one], timesteps[step : step + 1], previous[step : step + 1], model
        )
        assert torch.equal(together[one], alone)


def test_half_precision_latents_are_stepped_in_full_precision(sd1):
    latents, prediction = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0)).half()
    t, t_previous = torch.tensor([901]), torch.tensor([801])
    stepped = ddim_step(latents, prediction, t, t_previous, sd1)
    assert stepped.dtype == torch.float16
    assert torch.equal(stepped, ddim_step(latents.float(), prediction.float(), t, t_previous, sd1).half())


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers_keep_the_models_noise_schedule(model, name):
    scheduler = make_scheduler(name, model.scheduler_config)
    assert isinstance(scheduler, SCHEDULERS[name].scheduler)
    torch.testing.assert_close(scheduler.alphas_cumprod, model.alphas_cumprod)
    assert scheduler.config.prediction_type == model.prediction_type


def test_latents_are_never_clipped_and_pndm_starts_at_once(models):
    bare = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    assert not make_scheduler("ddim", bare).config.clip_sample
    assert not make_scheduler("lcm", bare).config.clip_sample
    pndm = make_scheduler("pndm", models["sd2"].scheduler_config)
    pndm.set_timesteps(10)
    assert len(pndm.timesteps) == 11


def test_an_unknown_scheduler_is_told_with_those_there_are(sd1):
    with pytest.raises(UnknownSchedulerError, match=r"No scheduler 'eular'\. Did you mean euler.*dpm\+\+-2m"):
        make_scheduler("eular", sd1.scheduler_config)
    with pytest.raises(UnknownSchedulerError, match="No scheduler 'eular'"):
        schedule("eular", sd1.scheduler_config, 10)


@pytest.mark.parametrize(
    ("name", "steps", "settings", "message"),
    [
        ("ddim", 0, {}, "ddim cannot take 0 steps: use 1 to 1000"),
        ("euler", -3, {}, "euler cannot take -3 steps: use 1 to 1000"),
        ("euler", 1001, {}, "euler cannot take 1001 steps: use 1 to 1000"),
        ("lcm", 60, {}, "lcm cannot take 60 steps: use 1 to 50"),
        ("lcm", 30, {"original_inference_steps": 25}, "lcm cannot take 30 steps: use 1 to 25"),
        ("ddim", 1000, {}, "ddim cannot take 1000 steps: they run from timestep 1000 to 1, .* 999 to 0"),
        ("pndm", 1000, {}, "pndm cannot take 1000 steps: they run from timestep 1000"),
        ("dpm++-2m", 61, {"timestep_spacing": "trailing"}, "61 steps: they run from timestep 999 to -1"),
        ("dpm++-2m", 1000, {}, "two of them are at one noise level.*Use fewer steps"),
        ("ddim", 5, {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}, "at noise alone"),
        ("ddim", 5, {"prediction_type": "sample"}, "predicts 'sample'; only epsilon and v_prediction"),
        ("dpm++-2m", 5, {"prediction_type": "flow_prediction"}, "predicts 'flow_prediction'"),
        ("ddim", 5, {"thresholding": True}, "thresholding = True, which ddim cannot follow"),
        ("lcm", 5, {"thresholding": True}, "thresholding = True, which lcm cannot follow"),
        ("dpm++-2m", 5, {"variance_type": "learned_range"}, "variance_type = 'learned_range'"),
        ("dpm++-2m", 5, {"use_flow_sigmas": True}, "use_flow_sigmas = True"),
        ("euler", 5, {"timestep_spacing": "even"}, "configuration: even is not supported"),
        (
            "euler",
            5,
            {"use_karras_sigmas": True, "use_exponential_sigmas": True},
            "configuration: Only one of",
        ),
        ("pndm", 5, {"beta_schedule": "steep"}, "configuration: steep is not implemented"),
        ("lcm", 5, {"original_inference_steps": 2000}, "configuration: .*original_steps"),
    ],
)
def test_what_no_table_can_say_is_refused(name, steps, settings, message):
    config = {
        "_class_name": SCHEDULERS[name].scheduler.__name__,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "steps_offset": 1,
        "timestep_spacing": "leading",
    }
    schedule(name, config, 5)  # it is the setting or the number that is refused
    with pytest.raises(SamplingError, match=message):
        schedule(name, config | settings, steps)


@pytest.mark.parametrize(
    ("name", "eta"), [("ddim", -0.1), ("ddim", 1.5), ("ddim", float("nan")), ("euler", 0.5)]
)
def test_an_eta_without_meaning_is_refused(sd1, name, eta):
    with pytest.raises(SamplingError, match=f"eta {eta} has no meaning with {name}"):
        schedule(name, sd1.scheduler_config, 5, eta=eta)


def test_a_scheduler_that_would_clip_is_refused(monkeypatch, sd1):
    monkeypatch.setattr(schedules, "SCHEDULERS", {"clipping": SchedulerKind(DDIMScheduler, ddim_table)})
    with pytest.raises(SamplingError, match="clip_sample = True, which clipping cannot follow"):
        schedule("clipping", {**sd1.scheduler_config, "clip_sample": True}, 5)


@pytest.mark.parametrize(
    ("spacing", "steps"), [("leading", 999), ("leading", 500), ("trailing", 1000), ("linspace", 1000)]
)
@pytest.mark.parametrize("name", ["ddim", "pndm", "euler", "euler-ancestral"])
def test_as_many_steps_as_the_timesteps_allow(sd1, name, spacing, steps):
    plan = schedule(name, {**sd1.scheduler_config, "timestep_spacing": spacing}, steps)
    assert plan.num_steps == steps + (name == "pndm")
    assert 0 <= plan.timesteps.min() <= plan.timesteps.max() <= 999
