import pytest
import torch
from diffusers import DDIMScheduler
from tiny_pipelines import tiny_sd1

from diffusion import (
    SCHEDULERS,
    DiffusionModel,
    UnknownSchedulerError,
    ddim_step,
    ddim_timesteps,
    make_scheduler,
)


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
