"""The frozen model and what is done with it: loading, steering, schedules, the engine.

Entry points: `load_model`, `steer`, `Engine`; `added_at_site` and `ddim_step` for learning.
"""

from diffusion.bank import Steering, VectorBank, VectorSource, check_fit, resolve_vectors
from diffusion.cores import leave_cores_to_engines, with_cores
from diffusion.encoding import PromptEncoding
from diffusion.engine import Engine
from diffusion.errors import (
    DeadlineExceeded,
    DiffusionError,
    EngineFailedError,
    GenerationCancelled,
    ModelLoadError,
    NonFiniteError,
    OutOfMemoryError,
    PromptTooLongError,
    QueueFullError,
    RowTooLargeError,
    SamplingError,
    SiteError,
    SizeError,
    SteeringError,
    UnknownSchedulerError,
)
from diffusion.events import Event, Failed, Finished, Started, Stepped, Waiting
from diffusion.fingerprint import fingerprint
from diffusion.in_flight import Order
from diffusion.loading import load_model
from diffusion.model import DiffusionModel
from diffusion.rows import AppliedVector, GeneratedImage, Row, Sampling
from diffusion.schedules import SCHEDULERS, ddim_step, ddim_timesteps, make_scheduler
from diffusion.steering import added_at_site, steer

__all__ = [
    "SCHEDULERS",
    "AppliedVector",
    "DeadlineExceeded",
    "DiffusionError",
    "DiffusionModel",
    "Engine",
    "EngineFailedError",
    "Event",
    "Failed",
    "Finished",
    "GeneratedImage",
    "GenerationCancelled",
    "ModelLoadError",
    "NonFiniteError",
    "Order",
    "OutOfMemoryError",
    "PromptEncoding",
    "PromptTooLongError",
    "QueueFullError",
    "Row",
    "RowTooLargeError",
    "Sampling",
    "SamplingError",
    "SiteError",
    "SizeError",
    "Started",
    "Steering",
    "SteeringError",
    "Stepped",
    "UnknownSchedulerError",
    "VectorBank",
    "VectorSource",
    "Waiting",
    "added_at_site",
    "check_fit",
    "ddim_step",
    "ddim_timesteps",
    "fingerprint",
    "leave_cores_to_engines",
    "load_model",
    "make_scheduler",
    "resolve_vectors",
    "steer",
    "with_cores",
]
