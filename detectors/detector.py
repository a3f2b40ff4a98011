"""The interface of everything that reads attributes from finished pictures.

Entry point: `Detector`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from PIL import Image

Reading: TypeAlias = Mapping[str, str]
"""Attribute -> value of one picture; an attribute that does not apply to it is absent."""


class Detector(Protocol):
    """Reads attributes from pictures."""

    @property
    def name(self) -> str:
        """What reads, as reports name it."""
        ...

    @property
    def attributes(self) -> Mapping[str, tuple[str, ...]]:
        """The attributes it reads, and the values each can have."""
        ...

    def read(self, pictures: Sequence[Image.Image]) -> Sequence[Reading]:
        """Read pictures of any size, one reading each, in order."""
        ...
