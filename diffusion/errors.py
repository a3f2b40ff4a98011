"""What can go wrong in this room.

DiffusionError
├── ModelLoadError             a model cannot be loaded, or is not of a kind that can be steered
├── SiteError                  no module of that name, or its output is not a map [rows, C, h, w]
├── SteeringError              strengths, images and pipeline do not go together
├── SamplingError              steps, guidance or a seed that nothing can be sampled with
│   └── UnknownSchedulerError  no scheduler of that name
├── SizeError                  a height and width the model cannot make
├── PromptTooLongError         a prompt that the text encoder would cut off
└── GenerationCancelled        the caller asked to stop
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DiffusionError(Exception):
    """The root of this room's errors; its text names the bad value and the cure."""


class ModelLoadError(DiffusionError):
    """A model cannot be loaded, or is not of a kind that can be steered."""


class SiteError(DiffusionError):
    """No module of that name, or its output is not a map [rows, C, h, w]."""


class SteeringError(DiffusionError):
    """Strengths, images and pipeline do not go together."""


class SamplingError(DiffusionError):
    """Steps, guidance or a seed that nothing can be sampled with."""


class UnknownSchedulerError(SamplingError):
    """No scheduler of that name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known = tuple(known)
        super().__init__(
            f"No scheduler {name!r}.{did_you_mean(name, self.known)} Use one of {', '.join(self.known)}."
        )


class SizeError(DiffusionError):
    """A height and width the model cannot make."""


class PromptTooLongError(DiffusionError):
    """A prompt that the text encoder would cut off; it is refused, because the lost words may matter."""

    def __init__(self, prompt: str, tokens: int, limit: int) -> None:
        self.prompt = prompt
        self.tokens = tokens
        self.limit = limit
        opening = prompt if len(prompt) <= 60 else f"{prompt[:57]}..."
        super().__init__(
            f"The prompt {opening!r} has {tokens} tokens; the text encoder reads {limit}, the marks of start "
            f"and end included. Shorten it by at least {tokens - limit}."
        )


class GenerationCancelled(DiffusionError):  # noqa: N818  an outcome the caller asked for, not a fault
    """The caller asked to stop."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence with the names close to a mistyped one, led by a space; empty where none is close."""
    close = difflib.get_close_matches(name.lower(), list(known))
    return f" Did you mean {' or '.join(close)}?" if close else ""
