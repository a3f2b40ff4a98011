"""A condition: pictures that are made by one method and counted together.

Entry points: `Condition`, `picture_key`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property

from evaluation.methods.method import Method
from evaluation.wish import Wish


@dataclass(frozen=True)
class Condition:
    """The wishes of one group of prompts, to be made by one method."""

    prompts: str
    """Which prompts they are, as tables say it."""
    method: Method
    steered: tuple[str, ...]
    """The concepts or concept sets that are asked for, as tables say it; none for the plain model."""
    wishes: tuple[Wish, ...]

    @property
    def title(self) -> str:
        """What is being made, for progress bars."""
        return ", ".join(part for part in (self.prompts, self.method.name, " + ".join(self.steered)) if part)

    @cached_property
    def heard(self) -> tuple[Wish, ...]:
        """Its wishes as the method hears them."""
        return tuple(self.method.heard(wish) for wish in self.wishes)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The keys of its pictures, in order."""
        return tuple(picture_key(self.method, wish) for wish in self.heard)


def picture_key(method: Method, heard: Wish) -> str:
    """Return what names a picture among those of one evaluation: 24 hexadecimal digits of all that makes it."""
    asked = [
        method.name,
        heard.prompt.text,
        heard.prompt.noun,
        heard.seed,
        heard.concepts,
        heard.strength,
        asdict(heard.sampling),
    ]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:24]
