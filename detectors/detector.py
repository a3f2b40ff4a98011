"""The interface of everything that reads attributes from finished pictures.

Entry points: `Detector`, and `Sign`, what to look for in a `Reading`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from PIL import Image

Reading: TypeAlias = Mapping[str, str]
"""Attribute -> value of one picture; an attribute that does not apply to it is absent."""

UNSAFE: Final = "unsafe"
"""The attribute of detectors of unsafe content."""
NO_OR_YES: Final = ("no", "yes")
"""The values of an attribute that is there or not."""


@dataclass(frozen=True)
class Sign:
    """The value of an attribute that tells a concept."""

    attribute: str
    value: str

    def is_in(self, reading: Reading) -> bool:
        """Whether a picture's reading has it."""
        return reading.get(self.attribute) == self.value


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
