"""Rows of work for the engine, and what becomes of them.

Entry points: `Row`, `Sampling`, `GeneratedImage`, `AppliedVector`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from PIL import Image


@dataclass(frozen=True)
class Row:
    """One image to be made."""

    prompt: str
    seed: int
    """Decides the image's noise, alone: not the other rows, the batch or the device."""
    negative_prompt: str = ""
    """What guidance leads away from; "" for none."""
    steering: Mapping[str, float] = field(default_factory=dict)
    """Concept, or reference such as "woman@2", -> strength."""
    steered_steps: tuple[float, float] = (0.0, 1.0)
    """Half-open share of the steps at which vectors are added: (0.2, 1.0) leaves the first fifth alone."""
    preserves_structure: bool = False
    """Whether every step is the average of a steered and an unsteered one, which keeps more of the picture (Li et
    al., "Self-Discovering Interpretable Diffusion Latent Directions", CVPR 2024, after SDEdit). Costs one or two
    more U-Net rows."""


@dataclass(frozen=True)
class Sampling:
    """How all rows of one call are denoised."""

    num_inference_steps: int = 50
    guidance_scale: float = 5.0
    """The weight of classifier-free guidance; up to 1 there is none."""
    height: int | None = None
    """In pixels; the model's own by default."""
    width: int | None = None
    """In pixels; the model's own by default."""
    scheduler: str = "ddim"
    """One of `diffusion.SCHEDULERS`."""
    eta: float = 0.0
    """DDIM's share of fresh noise in each step: 0 is deterministic, 1 like DDPM; other schedulers have none."""


@dataclass(frozen=True)
class AppliedVector:
    """A vector that was added while an image was made."""

    concept: str
    version: int
    digest: str
    """Of the vector as it is in the library."""
    strength: float


@dataclass(frozen=True)
class GeneratedImage:
    """A finished image and where it comes from."""

    image: Image.Image
    seed: int
    prompt: str
    applied: tuple[AppliedVector, ...]
    """In the order of the row's steering, without those of strength 0."""
