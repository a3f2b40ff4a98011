"""What is told of a request while its images are made, in the order it happens.

Entry points: `Happening` and its kinds, and `Told`, who hears of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from PIL import Image


@dataclass(frozen=True)
class Queued:
    """The request's images wait for the engine."""

    position: int
    """The place in the queue, from 1, of the first of them."""


@dataclass(frozen=True)
class Stepped:
    """An image has taken a step."""

    image: int
    """Its number in the request, from 0."""
    step: int
    """How many it has taken."""
    steps: int
    """How many it takes."""


@dataclass(frozen=True)
class Previewed:
    """A small picture of what an image is becoming; nobody has looked at it."""

    image: int
    """Its number in the request, from 0."""
    step: int
    """How many steps it has taken."""
    picture: Image.Image


Happening: TypeAlias = Queued | Stepped | Previewed
Told: TypeAlias = Callable[[Happening], None]
"""Hears of a happening, on the event loop, and returns at once."""


def nobody(_happening: Happening) -> None:
    """Hear of it and do nothing."""
