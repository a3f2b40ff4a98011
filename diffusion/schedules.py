"""The schedulers a request may name, each a table of numbers for every step of a trajectory.

Entry points: `schedule`; `SCHEDULERS`, `make_scheduler` for diffusers' own; `ddim_timesteps`, `ddim_step`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    PNDMScheduler,
    SchedulerMixin,
)

from diffusion.errors import SamplingError, UnknownSchedulerError
from diffusion.step_tables import (
    COLUMNS,
    ddim_table,
    dpm_multistep_table,
    euler_ancestral_table,
    euler_table,
    lcm_table,
    pndm_table,
)

if TYPE_CHECKING:
    from diffusion.model import DiffusionModel


@dataclass(frozen=True)
class SchedulerKind:
    """A diffusers scheduler, its step as a table, and the settings that make it what its name says."""

    scheduler: type[SchedulerMixin]
    table: Callable[[SchedulerMixin], torch.Tensor]
    settings: Mapping[str, object] = field(default_factory=dict)


# Latents have no bounds to be clipped to, and PNDM's Runge-Kutta start costs nine extra passes. A model's own
# configuration mostly says so; one written by another scheduler may leave it to the class's default.
SCHEDULERS: Mapping[str, SchedulerKind] = MappingProxyType(
    {
        "ddim": SchedulerKind(DDIMScheduler, ddim_table, {"clip_sample": False}),
        "pndm": SchedulerKind(PNDMScheduler, pndm_table, {"skip_prk_steps": True}),
        "euler": SchedulerKind(EulerDiscreteScheduler, euler_table),
        "euler-ancestral": SchedulerKind(EulerAncestralDiscreteScheduler, euler_ancestral_table),
        "dpm++-2m": SchedulerKind(
            DPMSolverMultistepScheduler,
            dpm_multistep_table,
            {"algorithm_type": "dpmsolver++", "solver_order": 2},
        ),
        "lcm": SchedulerKind(LCMScheduler, lcm_table, {"clip_sample": False}),
    }
)
"""The schedulers by the names that requests use."""


def make_scheduler(name: str, config: Mapping[str, Any]) -> SchedulerMixin:
    """A new scheduler of that name on the noise schedule of `config`, a model's scheduler configuration.

    Raises UnknownSchedulerError.
    """
    kind = _kind(name)
    return kind.scheduler.from_config(config, **kind.settings)


def _kind(name: str) -> SchedulerKind:
    kind = SCHEDULERS.get(name)
    if kind is None:
        raise UnknownSchedulerError(name, SCHEDULERS)
    return kind


@dataclass(frozen=True, eq=False)
class Schedule:
    """A scheduler's whole trajectory as numbers, all on the CPU; many rows may share one.

    A row begins with standard normal noise times `initial_scale`. At step i the U-Net is told `timesteps[i]` and
    given the latents times `input_scales[i]`; `coefficients[i]` makes the next latents of these, of the guided
    prediction, of what earlier steps left and of fresh noise, as `diffusion.step_tables.COLUMNS` says.
    """

    timesteps: torch.Tensor
    """[steps], fp32; whole numbers but where the scheduler's own are not, as Euler's."""
    input_scales: torch.Tensor
    """[steps], fp32; 1 but where latents are image + sigma noise, as Euler's."""
    initial_scale: float
    coefficients: torch.Tensor
    """[steps, 8], fp32."""

    @property
    def num_steps(self) -> int:
        """How many guided predictions the trajectory takes; PNDM's has one more than was asked for."""
        return len(self.timesteps)

    def draws_noise(self, step: int) -> bool:
        """Whether a step adds fresh noise; where it does not, none may be drawn from a row's generator."""
        return bool(self.coefficients[step, COLUMNS.index("n")] != 0)


def schedule(name: str, config: Mapping[str, Any], num_inference_steps: int, *, eta: float = 0.0) -> Schedule:
    """The trajectory that `make_scheduler(name, config)` would take in `num_inference_steps` steps.

    `eta`, 0 to 1, is the share of the DDPM's noise that DDIM adds. Takes some milliseconds, so keep it. Raises
    UnknownSchedulerError, and SamplingError for steps that the scheduler cannot take, for an `eta` without
    meaning and for a configuration under which a step is not a linear combination.
    """
    kind = _kind(name)
    if not 0 <= eta <= 1 or (eta and name != "ddim"):
        raise SamplingError(f"The eta {eta} has no meaning with {name}: use 0, or 0 to 1 with ddim.")
    try:
        scheduler = make_scheduler(name, config)
        _check_linear(name, scheduler)
        _check_count(name, scheduler, num_inference_steps)
        scheduler.set_timesteps(num_inference_steps)
    except (ValueError, NotImplementedError, ImportError) as error:
        raise SamplingError(
            f"The scheduler {name} cannot be made from the model's scheduler configuration: {error}"
        ) from error
    _check_timesteps(name, scheduler, num_inference_steps)
    table = ddim_table(scheduler, eta=eta) if eta else kind.table(scheduler)
    coefficients = table.float()
    if not coefficients.isfinite().all():
        raise SamplingError(
            f"The scheduler {name} cannot take {num_inference_steps} steps on the model's noise schedule: two of "
            "them are at one noise level, or one is at noise alone, of which epsilon tells no image. Use fewer "
            "steps or another scheduler."
        )
    return Schedule(
        timesteps=scheduler.timesteps.float(),
        input_scales=_input_scales(scheduler),
        initial_scale=float(scheduler.init_noise_sigma),
        coefficients=coefficients,
    )


def _input_scales(scheduler: SchedulerMixin) -> torch.Tensor:
    """What the latents are multiplied by for the U-Net, [steps]."""
    if isinstance(scheduler, (EulerDiscreteScheduler, EulerAncestralDiscreteScheduler)):
        sigmas: torch.Tensor = scheduler.sigmas[: len(scheduler.timesteps)].double()
        return (1 / (sigmas**2 + 1).sqrt()).float()
    return torch.ones(len(scheduler.timesteps))


_NOT_LINEAR: Mapping[str, tuple[object, ...]] = MappingProxyType(
    {
        "clip_sample": (True,),
        "thresholding": (True,),
        "use_flow_sigmas": (True,),
        "variance_type": ("learned", "learned_range"),
    }
)
"""The values of settings that no table of numbers can follow, or none of latents and one prediction."""


def _check_linear(name: str, scheduler: SchedulerMixin) -> None:
    """Raise SamplingError where the configuration makes a step what no table of numbers can say."""
    config = scheduler.config
    if config.prediction_type not in ("epsilon", "v_prediction"):
        raise SamplingError(
            f"The model predicts {config.prediction_type!r}; only epsilon and v_prediction can be sampled."
        )
    for setting, refused in _NOT_LINEAR.items():
        if config.get(setting) in refused:
            raise SamplingError(
                f"The model's scheduler configuration has {setting} = {config[setting]!r}, which {name} cannot "
                "follow here. Set it to its default, or use a scheduler that does not read it."
            )


def _check_count(name: str, scheduler: SchedulerMixin, steps: int) -> None:
    """Raise SamplingError for a number of steps out of range."""
    most = scheduler.config.num_train_timesteps
    if name == "lcm":  # its steps are chosen among those that the model was distilled for
        most = min(most, scheduler.config.original_inference_steps)
    if not 1 <= steps <= most:
        raise SamplingError(f"The scheduler {name} cannot take {steps} steps: use 1 to {most}.")


def _check_timesteps(name: str, scheduler: SchedulerMixin, steps: int) -> None:
    """Raise SamplingError where an offset or a rounding leads out of the timesteps the model was trained on."""
    config = scheduler.config
    if config.get("timestep_type") == "continuous" and config.prediction_type == "v_prediction":
        return  # such models are told a logarithm of the noise level
    last = len(scheduler.alphas_cumprod) - 1
    low, high = scheduler.timesteps.min().item(), scheduler.timesteps.max().item()
    if low < 0 or high > last:
        raise SamplingError(
            f"The scheduler {name} cannot take {steps} steps: they run from timestep {high:g} to {low:g}, and the "
            f"model was trained on {last} to 0. Use another number of steps."
        )


def ddim_timesteps(model: DiffusionModel, num_inference_steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The timesteps of a DDIM trajectory and the one each step leads to, both [num_inference_steps], integer.

    They descend; the last step leads to a negative timestep, which stands for the finished latents.
    """
    scheduler = make_scheduler("ddim", model.scheduler_config)
    scheduler.set_timesteps(num_inference_steps, device=model.device)
    timesteps: torch.Tensor = scheduler.timesteps
    return timesteps, timesteps - model.num_train_timesteps // num_inference_steps


def ddim_step(
    latents: torch.Tensor,
    prediction: torch.Tensor,
    timesteps: torch.Tensor,
    previous_timesteps: torch.Tensor,
    model: DiffusionModel,
) -> torch.Tensor:
    """One deterministic DDIM step of rows that may each be at another timestep.

    `latents` and `prediction` (epsilon or v, as the model predicts) are [rows, c, h, w]; the integer
    `timesteps` and `previous_timesteps` are [rows], a negative previous timestep ending the trajectory.
    Returns the latents [rows, c, h, w] at `previous_timesteps`, computed in fp32, in the dtype they came in.

    Song, Meng, Ermon, "Denoising Diffusion Implicit Models", 2021, equation 12 with sigma = 0.
    """
    alpha = model.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
    previous = torch.where(
        previous_timesteps >= 0,
        model.alphas_cumprod[previous_timesteps.clamp(min=0)],
        model.final_alpha_cumprod,
    ).view(-1, 1, 1, 1)
    sample, output = latents.float(), prediction.float()
    if model.prediction_type == "v_prediction":
        clean = alpha.sqrt() * sample - (1 - alpha).sqrt() * output
        noise = alpha.sqrt() * output + (1 - alpha).sqrt() * sample
    else:
        clean = (sample - (1 - alpha).sqrt() * output) / alpha.sqrt()
        noise = output
    return (previous.sqrt() * clean + (1 - previous).sqrt() * noise).to(latents.dtype)
