"""Whole trajectories by the tables against diffusers' own schedulers and pipelines."""

import dataclasses
import inspect
import itertools
import json
from pathlib import Path

import pytest
import torch

from diffusion import SCHEDULERS, make_scheduler
from diffusion.schedules import Schedule, schedule

SHAPE = (4, 8, 8)  # of the tiny pipelines' latents
NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
DEMO = Path(__file__).parents[2] / "demo_model" / "pipeline" / "scheduler" / "scheduler_config.json"
CONFIGS = {
    "sd1.5": {
        "_class_name": "PNDMScheduler", **NOISE,
        "steps_offset": 1, "set_alpha_to_one": False, "skip_prk_steps": True, "timestep_spacing": "leading",
    },
    "sd2.1-v": {
        "_class_name": "DDIMScheduler", **NOISE, "clip_sample": False, "steps_offset": 1, "set_alpha_to_one": False,
    },
    "sdxl": {
        "_class_name": "EulerDiscreteScheduler", **NOISE, "steps_offset": 1, "timestep_spacing": "leading",
        "interpolation_type": "linear", "use_karras_sigmas": False,
    },
    "demo": json.loads(DEMO.read_text()),
    "zero-snr": {
        "_class_name": "DDIMScheduler", **NOISE, "clip_sample": False,
        "rescale_betas_zero_snr": True, "timestep_spacing": "trailing",
    },
    "karras": {"_class_name": "DPMSolverMultistepScheduler", **NOISE, "use_karras_sigmas": True},
}  # fmt: skip
PREDICTION_TYPES = ("epsilon", "v_prediction")


def fixed_model(latents, timesteps):
    """A smooth function of latents [rows, 4, h, w] and timesteps [rows], of the size of a prediction."""
    mixing = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(9)))[0]
    drift = torch.sin(timesteps.float() / 150).view(-1, 1, 1, 1)
    return torch.tanh(torch.einsum("ij,rjhw->rihw", mixing, latents) + drift)


def linear_step(latents, guided, history, coefficients, noise):
    """The step of the tables: latents, guided and noise [rows, c, h, w], history [rows, 3, c, h, w]."""
    p, q, a, b0, b1, b2, b3, n = coefficients.T[..., None, None, None]
    newest = p * latents + q * guided
    stepped = a * latents + b0 * newest + n * noise
    for weight, past in zip((b1, b2, b3), history.unbind(1), strict=True):
        stepped = stepped + weight * past
    return stepped, torch.cat([newest[:, None], history[:, :2]], dim=1)


@dataclasses.dataclass
class Trajectory:
    """One image's way along a schedule."""

    schedule: Schedule
    seed: int
    step: int = 0

    def __post_init__(self):
        self.generator = torch.Generator().manual_seed(self.seed)
        self.latents = torch.randn(SHAPE, generator=self.generator) * self.schedule.initial_scale
        self.history = torch.zeros(3, *SHAPE)

    def noise(self):
        drawn = self.schedule.draws_noise(self.step)
        return torch.randn(SHAPE, generator=self.generator) if drawn else torch.zeros(SHAPE)


def advance(rows, model=fixed_model):
    """One step of trajectories, all in one batch."""
    latents = torch.stack([row.latents for row in rows])
    scales = torch.stack([row.schedule.input_scales[row.step] for row in rows])
    timesteps = torch.stack([row.schedule.timesteps[row.step] for row in rows])
    guided = model(latents * scales.view(-1, 1, 1, 1), timesteps)
    coefficients = torch.stack([row.schedule.coefficients[row.step] for row in rows])
    history = torch.stack([row.history for row in rows])
    noise = torch.stack([row.noise() for row in rows])
    for row, stepped, past in zip(
        rows, *linear_step(latents, guided, history, coefficients, noise), strict=True
    ):
        row.latents, row.history, row.step = stepped, past, row.step + 1


def by_table(plan, seeds=(0, 1), model=fixed_model):
    """The latents [steps + 1, rows, c, h, w] along a schedule, the noise they began with included."""
    rows = [Trajectory(plan, seed) for seed in seeds]
    path = [torch.stack([row.latents for row in rows])]
    for _ in range(plan.num_steps):
        advance(rows, model)
        path.append(torch.stack([row.latents for row in rows]))
    return torch.stack(path)


def by_diffusers(name, config, steps, *, eta=0.0, seeds=(0, 1)):
    """The same by diffusers' scheduler, as its pipelines use it."""
    scheduler = make_scheduler(name, config)
    scheduler.set_timesteps(steps)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    possible = {"eta": eta, "generator": generators}
    taken = inspect.signature(scheduler.step).parameters
    arguments = {key: value for key, value in possible.items() if key in taken}
    noise = torch.stack([torch.randn(SHAPE, generator=generator) for generator in generators])
    latents = noise * scheduler.init_noise_sigma
    path = [latents]
    for timestep in scheduler.timesteps:
        guided = fixed_model(scheduler.scale_model_input(latents, timestep), timestep.expand(len(seeds)))
        latents = scheduler.step(guided, timestep, latents, return_dict=False, **arguments)[0]
        path.append(latents)
    return torch.stack(path)


def assert_same_way(name, config, steps, *, eta=0.0):
    plan = schedule(name, config, steps, eta=eta)
    made, expected = by_table(plan), by_diffusers(name, config, steps, eta=eta)
    assert made.shape == expected.shape
    size = expected.abs().amax(dim=(1, 2, 3, 4)).clamp(min=1)
    difference = ((made - expected).abs().amax(dim=(1, 2, 3, 4)) / size).max().item()
    # 3e-6 is the largest there is, but under noise in the thousands, as Euler's has at no signal: there
    # diffusers' image comes out of a difference of two such numbers, and is off by their rounding.
    lost = plan.initial_scale * 2**-21 if plan.initial_scale > 1000 else 0
    assert difference < 5e-6 + lost, f"{steps} steps: {difference:.1e}"


# At noise alone epsilon tells no image: these two divide by zero, and are refused.
DIVIDING_BY_ZERO = {("ddim", "epsilon", "zero-snr"), ("lcm", "epsilon", "zero-snr")}


@pytest.mark.parametrize(
    ("name", "prediction_type", "config"),
    sorted(set(itertools.product(SCHEDULERS, PREDICTION_TYPES, CONFIGS)) - DIVIDING_BY_ZERO),
)
def test_a_trajectory_is_that_of_diffusers(name, prediction_type, config):
    for steps in (1, 2, 3, 4, 5, 10, 50):
        assert_same_way(name, {**CONFIGS[config], "prediction_type": prediction_type}, steps)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("dpm++-2m", {"solver_type": "heun", "lower_order_final": False, "final_sigmas_type": "sigma_min"}),
        ("dpm++-2m", {"euler_at_final": True, "lower_order_final": False, "final_sigmas_type": "sigma_min"}),
        ("dpm++-2m", {"final_sigmas_type": "sigma_min"}),
        ("dpm++-2m", {"final_sigmas_type": "sigma_min", "use_lu_lambdas": True}),
        ("dpm++-2m", {"beta_schedule": "squaredcos_cap_v2", "lambda_min_clipped": -5.1}),
        ("dpm++-2m", {"use_exponential_sigmas": True, "timestep_spacing": "trailing"}),
        ("euler", {"final_sigmas_type": "sigma_min", "use_exponential_sigmas": True}),
        ("euler", {"interpolation_type": "log_linear"}),
        ("euler", {"timestep_type": "continuous", "use_karras_sigmas": True, "sigma_max": 80.0}),
        ("euler-ancestral", {"timestep_spacing": "trailing", "beta_schedule": "linear"}),
        ("ddim", {"timestep_spacing": "linspace", "set_alpha_to_one": True}),
        ("pndm", {"timestep_spacing": "linspace", "set_alpha_to_one": True}),
        ("pndm", {"timestep_spacing": "trailing", "trained_betas": [0.01] * 80, "num_train_timesteps": 80}),
        ("lcm", {"original_inference_steps": 25, "timestep_scaling": 0.1}),
    ],
)
def test_the_models_settings_are_followed(name, settings):
    own = {**NOISE, "_class_name": SCHEDULERS[name].scheduler.__name__} | settings
    plain = schedule(name, NOISE, 14)
    for prediction_type in PREDICTION_TYPES:
        config = {**own, "prediction_type": prediction_type}
        for steps in (3, 14, 15, 25):
            assert_same_way(name, config, steps)
    changed = schedule(name, own, 14)
    assert not torch.equal(changed.coefficients, plain.coefficients)


@pytest.mark.parametrize("eta", [0.3, 1.0])
@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
def test_ddims_noise_is_that_of_diffusers(prediction_type, eta):
    for config in ("sd1.5", "sdxl"):
        for steps in (1, 2, 10, 50):
            assert_same_way("ddim", {**CONFIGS[config], "prediction_type": prediction_type}, steps, eta=eta)


def test_all_noise_of_a_start_without_signal_can_be_renewed():
    """Where nothing of the old noise stays, rounding must not make that less than nothing (in diffusers it does)."""
    config = {**CONFIGS["zero-snr"], "prediction_type": "v_prediction"}
    for steps in range(2, 60):
        first = schedule("ddim", config, steps, eta=1.0).coefficients[0]
        p, q, a, b0, *_, n = first.tolist()
        assert (p, q) == (0, -1)
        assert a == pytest.approx(0, abs=1e-6)
        assert b0**2 + n**2 == pytest.approx(1)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_latents_are_those_of_the_plain_pipeline(model, name, latents_of):
    prompts, guidance = ["a photo of a woman", "a dog"], 5.0
    own, model.pipe.scheduler = model.pipe.scheduler, make_scheduler(name, model.scheduler_config)
    try:
        expected = latents_of(model.pipe, prompts, steps=6, guidance=guidance)
    finally:
        model.pipe.scheduler = own
    towards, away = model.encode(prompts), model.encode_negative([""] * len(prompts))

    @torch.no_grad()
    def guided(latents, timesteps):
        unguided = model.predict(latents, timesteps, away)
        return unguided + guidance * (model.predict(latents, timesteps, towards) - unguided)

    made = by_table(schedule(name, model.scheduler_config, 6), model=guided)[-1]
    assert ((made - expected).abs().max() / expected.abs().max()).item() < 1e-5


def test_ddims_noise_is_that_of_the_plain_pipeline(sd1, latents_of):
    prompts = ["a photo of a woman", "a dog"]
    own, sd1.pipe.scheduler = sd1.pipe.scheduler, make_scheduler("ddim", sd1.scheduler_config)
    try:
        noisy, plain = (latents_of(sd1.pipe, prompts, steps=4, guidance=1.0, eta=eta) for eta in (0.7, 0.0))
    finally:
        sd1.pipe.scheduler = own
    encoding = sd1.encode(prompts)

    @torch.no_grad()
    def unguided(latents, timesteps):
        return sd1.predict(latents, timesteps, encoding)

    made = by_table(schedule("ddim", sd1.scheduler_config, 4, eta=0.7), model=unguided)[-1]
    assert ((made - noisy).abs().max() / noisy.abs().max()).item() < 1e-5
    assert (noisy - plain).abs().max() > 0.1


def test_rows_of_all_schedulers_step_together_as_if_alone():
    """Rows join one after another, leave when they are done, and differ in everything."""
    plans = [schedule(name, CONFIGS["sd1.5"], 5 + place) for place, name in enumerate(SCHEDULERS)]
    plans += [schedule("ddim", CONFIGS["sd1.5"], 9, eta=0.5), schedule("euler", CONFIGS["karras"], 7)]
    waiting = [Trajectory(plan, seed) for seed, plan in enumerate(plans)]
    running, finished, sizes = [], [], []
    while waiting or running:
        running += [waiting.pop(0)] if waiting else []
        advance(running)
        sizes.append(len(running))
        finished += [row for row in running if row.step == row.schedule.num_steps]
        running = [row for row in running if row.step < row.schedule.num_steps]
    assert len(finished) == len(plans)
    assert max(sizes) > 4
    for row in finished:
        assert torch.equal(row.latents, by_table(row.schedule, seeds=(row.seed,))[-1, 0])


# PNDM takes means of predictions; along a trajectory that leads to one image epsilon is constant, v is not.
@pytest.mark.parametrize(
    ("name", "prediction_type"),
    sorted(set(itertools.product(SCHEDULERS, PREDICTION_TYPES)) - {("pndm", "v_prediction")}),
)
def test_a_model_that_knows_one_image_makes_that_image(name, prediction_type):
    """Its prediction is exact at every noise level, so any number of steps must lead there."""
    image = torch.randn(SHAPE, generator=torch.Generator().manual_seed(3))
    config = {
        **NOISE,
        "set_alpha_to_one": True,
        "timestep_spacing": "trailing",
        "prediction_type": prediction_type,
    }
    shares = make_scheduler(name, config).alphas_cumprod.double()

    def exact(latents, timesteps):
        share = shares[timesteps.long()].view(-1, 1, 1, 1)
        noise = (latents - share.sqrt() * image) / (1 - share).sqrt()
        velocity = share.sqrt() * noise - (1 - share).sqrt() * image
        return (noise if prediction_type == "epsilon" else velocity).float()

    for steps in (1, 5, 10, 50):
        made = by_table(schedule(name, config, steps), model=exact)[-1]
        torch.testing.assert_close(made, image.expand_as(made), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("name", "steps", "passes", "draws"),
    [("ddim", 7, 7, 0), ("pndm", 7, 8, 0), ("pndm", 1, 1, 0), ("euler", 7, 7, 0), ("euler-ancestral", 7, 7, 6),
     ("dpm++-2m", 7, 7, 0), ("lcm", 7, 7, 6), ("lcm", 1, 1, 0)],
)  # fmt: skip
def test_a_schedule_says_its_passes_and_where_it_draws_noise(name, steps, passes, draws):
    plan = schedule(name, CONFIGS["sd1.5"], steps)
    assert plan.num_steps == passes
    drawn = [plan.draws_noise(step) for step in range(passes)]
    assert drawn == [True] * draws + [False] * (passes - draws)
    for numbers in (plan.timesteps, plan.input_scales, plan.coefficients):
        assert numbers.dtype == torch.float32
