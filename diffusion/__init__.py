"""The frozen model and what is done with it: loading, steering, schedules, the engine.

Entry points: `load_model`, `steer`, `Engine`; `added_at_site` and `ddim_step` for learning.
"""

from diffusion.bank import Steering, VectorBank, VectorSource, check_fit, resolve_vectors
from diffusion.encoding import PromptEncoding
from diffusion.engine import Engine
from diffusion.errors import (
    DiffusionError,
    GenerationCancelled,
    ModelLoadError,
    PromptTooLongError,
    SamplingError,
    SiteError,
    SizeError,
    SteeringError,
    UnknownSchedulerError,
)
from diffusion.fingerprint import fingerprint
from diffusion.loading import load_model
from diffusion.model import DiffusionModel
from diffusion.rows import AppliedVector, GeneratedImage, Row, Sampling
from diffusion.schedules import SCHEDULERS, ddim_step, ddim_timesteps, make_scheduler
from diffusion.steering import added_at_site, steer

__all__ = [
    "SCHEDULERS",
    "AppliedVector",
    "DiffusionError",
    "DiffusionModel",
    "Engine",
    "GeneratedImage",
    "GenerationCancelled",
    "ModelLoadError",
    "PromptEncoding",
    "PromptTooLongError",
    "Row",
    "Sampling",
    "SamplingError",
    "SiteError",
    "SizeError",
    "Steering",
    "SteeringError",
    "UnknownSchedulerError",
    "VectorBank",
    "VectorSource",
    "added_at_site",
    "check_fit",
    "ddim_step",
    "ddim_timesteps",
    "fingerprint",
    "load_model",
    "make_scheduler",
    "resolve_vectors",
    "steer",
]
