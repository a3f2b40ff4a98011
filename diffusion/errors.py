"""What can go wrong in this room.

DiffusionError
├── ModelLoadError             a model cannot be loaded, or is not of a kind that can be steered
├── SiteError                  no module of that name, or its output is not a map [rows, C, h, w]
├── SteeringError              strengths, images and pipeline do not go together
├── SamplingError              steps, guidance or a seed that nothing can be sampled with
│   └── UnknownSchedulerError  no scheduler of that name
├── SizeError                  a height and width the model cannot make
├── PromptTooLongError         a prompt that the text encoder would cut off
├── QueueFullError             more rows would wait than may
├── RowTooLargeError           a row that the device could not even hold alone
├── NonFiniteError             an image that came out as something else than numbers
├── OutOfMemoryError           images that the device has no memory for
├── ExecutionError             a way to run forward passes that the device does not know
├── EngineFailedError          the engine broke down; what was in flight is lost
├── GenerationCancelled        the caller asked to stop
└── DeadlineExceeded           the caller's time ran out before the image was finished
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


class QueueFullError(DiffusionError):
    """More rows would wait than may; none of the request's rows was taken."""

    def __init__(
        self, *, waiting: int, requested: int, limit: int, work_ahead: float, tenant: str | None = None
    ) -> None:
        self.waiting = waiting
        self.requested = requested
        self.limit = limit
        self.work_ahead = work_ahead
        """The device work to be done before there is room, in the unit of `Ticket.work`; divided by the
        measured work per second, how long to wait before trying again."""
        self.tenant = tenant
        """Whose rows the limit counts; None where it counts everybody's."""
        self.retry_after_s: float | None = None
        """How long what waits takes, at the rate of late, in seconds; None where nobody has said."""
        whose = "" if tenant is None else f" of {tenant!r}"
        cure = (
            f"Ask for at most {limit} images at once."
            if requested > limit
            else f"Try again once {waiting + requested - limit} of them have begun."
        )
        super().__init__(
            f"No room for {requested} more rows: {waiting} rows{whose} wait, and at most {limit} may. {cure}"
        )


class RowTooLargeError(DiffusionError):
    """A row that the device could not even hold alone."""

    def __init__(self, *, unet_rows: int, capacity: int, shape: tuple[int, int]) -> None:
        self.unet_rows = unet_rows
        self.capacity = capacity
        self.shape = shape
        super().__init__(
            f"The image takes {unet_rows} U-Net rows of latents {shape[0]} x {shape[1]}, and the device holds "
            f"{capacity} of this size. Ask for a smaller image, or do without guidance or preserved structure."
        )


class NonFiniteError(DiffusionError):
    """An image that came out as something else than numbers."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        super().__init__(
            f"The image with seed {seed} came out as something else than numbers: half precision or a very strong "
            "vector can overflow. Use bfloat16 or float32, or smaller strengths."
        )


class OutOfMemoryError(DiffusionError):
    """Images that the device has no memory for."""


class ExecutionError(DiffusionError):
    """A way to run forward passes that there is not, or not on this device."""


class EngineFailedError(DiffusionError):
    """The engine broke down; what was in flight is lost."""


class GenerationCancelled(DiffusionError):  # noqa: N818  an outcome the caller asked for, not a fault
    """The caller asked to stop."""


class DeadlineExceeded(DiffusionError):  # noqa: N818  an outcome the caller set the time of, not a fault
    """The caller's time ran out before the image was finished."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence with the names close to a mistyped one, led by a space; empty where none is close."""
    close = difflib.get_close_matches(name.lower(), list(known))
    return f" Did you mean {' or '.join(close)}?" if close else ""
