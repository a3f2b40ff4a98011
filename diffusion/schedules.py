"""The schedulers a request may name, and the DDIM update as a function of rows at different timesteps.

Entry points: `SCHEDULERS`, `make_scheduler`, `ddim_timesteps`, `ddim_step`.
"""

from __future__ import annotations

from collections.abc import Mapping
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

from diffusion.errors import UnknownSchedulerError

if TYPE_CHECKING:
    from diffusion.model import DiffusionModel


@dataclass(frozen=True)
class SchedulerKind:
    """A diffusers scheduler and the settings that make it what its name says."""

    scheduler: type[SchedulerMixin]
    settings: Mapping[str, object] = field(default_factory=dict)


# Latents have no bounds to be clipped to, and PNDM's Runge-Kutta start costs nine extra passes. A model's own
# configuration mostly says so; one written by another scheduler may leave it to the class's default.
SCHEDULERS: Mapping[str, SchedulerKind] = MappingProxyType(
    {
        "ddim": SchedulerKind(DDIMScheduler, {"clip_sample": False}),
        "pndm": SchedulerKind(PNDMScheduler, {"skip_prk_steps": True}),
        "euler": SchedulerKind(EulerDiscreteScheduler),
        "euler-ancestral": SchedulerKind(EulerAncestralDiscreteScheduler),
        "dpm++-2m": SchedulerKind(
            DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++", "solver_order": 2}
        ),
        "lcm": SchedulerKind(LCMScheduler, {"clip_sample": False}),
    }
)
"""The schedulers by the names that requests use."""


def make_scheduler(name: str, config: Mapping[str, Any]) -> SchedulerMixin:
    """A new scheduler of that name on the noise schedule of `config`, a model's scheduler configuration.

    Raises UnknownSchedulerError.
    """
    kind = SCHEDULERS.get(name)
    if kind is None:
        raise UnknownSchedulerError(name, SCHEDULERS)
    return kind.scheduler.from_config(config, **kind.settings)


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
