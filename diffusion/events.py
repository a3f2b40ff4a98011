"""What the engine tells of the images it has accepted, in the order it happens.

Entry points: `Event` and its kinds; `Failed` and `Finished` are an image's last, and each image has one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from PIL import Image

from diffusion.rows import GeneratedImage


@dataclass(frozen=True)
class Waiting:
    """An image is in the queue, and stays there for now."""

    image: int
    """Its number in the call that asked for it."""
    position: int
    """Its place in the queue, from 1."""


@dataclass(frozen=True)
class Started:
    """An image has left the queue: its first step is next."""

    image: int
    """Its number in the call that asked for it."""


@dataclass(frozen=True)
class Stepped:
    """An image has taken a step."""

    image: int
    """Its number in the call that asked for it."""
    step: int
    """How many it has taken."""
    steps: int
    """How many it takes."""
    preview: Image.Image | None = None
    """A small picture of what it is becoming, where previews were asked for."""


@dataclass(frozen=True)
class Finished:
    """An image is made."""

    image: int
    """Its number in the call that asked for it."""
    result: GeneratedImage


@dataclass(frozen=True)
class Failed:
    """An image will not be made."""

    image: int
    """Its number in the call that asked for it."""
    error: Exception
    """GenerationCancelled, DeadlineExceeded, NonFiniteError, OutOfMemoryError or EngineFailedError."""


Event: TypeAlias = Waiting | Started | Stepped | Finished | Failed
