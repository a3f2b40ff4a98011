"""The engine: rows of work in, images out, each with its own prompt, seed and steering.

Entry point: `Engine`. The diffusers pipeline itself makes the images, so they are the ones it would make.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from diffusers import DiffusionPipeline, SchedulerMixin
from PIL import Image

from diffusion.bank import check_fit, check_strengths
from diffusion.errors import GenerationCancelled, SamplingError
from diffusion.model import DiffusionModel
from diffusion.rows import AppliedVector, GeneratedImage, Row, Sampling
from diffusion.schedules import make_scheduler
from diffusion.steering import steer
from vectors import StoredVector, VectorLibrary


class Engine:
    """Makes images with one model and the vectors of one library, in batches of up to `max_batch_rows`.

    Safe to call from several threads: batches run one at a time, and those of several calls may alternate.
    While an engine is in use, its model's pipeline is not to be used by anything else.
    """

    def __init__(self, model: DiffusionModel, vectors: VectorLibrary, max_batch_rows: int = 16) -> None:
        if max_batch_rows < 1:
            raise SamplingError(f"Batches of {max_batch_rows} rows make no images: allow at least 1.")
        self.model = model
        self.vectors = vectors
        self.max_batch_rows = max_batch_rows
        self._device_lock = threading.Lock()

    def generate(
        self,
        rows: Sequence[Row],
        sampling: Sampling,
        on_step: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[GeneratedImage]:
        """Make one image of each row, in order.

        `on_step(done, total)` is told after every step how many are done, counted over all images. Everything
        is checked first, and raises as `validate` does. `cancelled()` is asked before every batch and after
        every step; GenerationCancelled is raised once it says so.
        """
        found = self._checked(rows, sampling)
        scheduler = self._scheduler(sampling)
        progress = _Progress(len(rows) * len(scheduler.timesteps), on_step, cancelled)
        batches = [rows[i : i + self.max_batch_rows] for i in range(0, len(rows), self.max_batch_rows)]
        return [
            GeneratedImage(image, row.seed, row.prompt, _applied(row, found))
            for batch in batches
            for row, image in zip(batch, self._run(batch, sampling, found, progress), strict=True)
        ]

    def validate(self, rows: Sequence[Row], sampling: Sampling) -> None:
        """Raise what `generate` would raise for these rows before it begins; makes nothing.

        SizeError and SamplingError (or UnknownSchedulerError) for the sampling; SamplingError, SteeringError
        and PromptTooLongError for a row; the vectors' VectorError for a concept that is unknown, whose file
        is unsound or that was made for another model; SiteError for one whose site the model lacks.
        """
        self._checked(rows, sampling)

    def _checked(self, rows: Sequence[Row], sampling: Sampling) -> Mapping[str, StoredVector]:
        """Check everything; return the vectors by the names that the rows' steerings use."""
        self.model.check_size(*self._size(sampling))
        self._scheduler(sampling)
        if not math.isfinite(sampling.guidance_scale):
            raise SamplingError(
                f"The guidance scale {sampling.guidance_scale} must be finite; 5 to 8 is usual."
            )
        for row in rows:
            if not 0 <= row.seed < 2**64:
                raise SamplingError(f"The seed {row.seed} is not in 0..2^64 - 1.")
            self.model.check_prompt(row.prompt)
            self.model.check_prompt(row.negative_prompt)
            check_strengths(row.steering)
        names = dict.fromkeys(name for row in rows for name in row.steering)
        found = {name: self.vectors.resolve(name) for name in names}
        for stored in found.values():
            check_fit(self.model.pipe.unet, stored.vector)
        return found

    def _size(self, sampling: Sampling) -> tuple[int, int]:
        height, width = self.model.default_size
        return (
            height if sampling.height is None else sampling.height,
            width if sampling.width is None else sampling.width,
        )

    def _scheduler(self, sampling: Sampling) -> SchedulerMixin:
        """A scheduler with its steps set; each batch needs a fresh one, as they keep a history."""
        scheduler = make_scheduler(sampling.scheduler, self.model.scheduler_config)
        steps = sampling.num_inference_steps
        try:
            if steps < 1:
                raise ValueError("there must be at least one")
            scheduler.set_timesteps(steps)
        except ValueError as error:
            raise SamplingError(
                f"The scheduler {sampling.scheduler} cannot take {steps} steps: {error}"
            ) from error
        return scheduler

    def _run(
        self, batch: Sequence[Row], sampling: Sampling, found: Mapping[str, StoredVector], progress: _Progress
    ) -> list[Image.Image]:
        """Make the images of one batch."""
        height, width = self._size(sampling)
        vectors = {name: stored.vector for name, stored in found.items()}
        steerings = [row.steering for row in batch]
        generators = [torch.Generator().manual_seed(row.seed) for row in batch]
        with self._device_lock, self._pipeline(sampling) as pipe, steer(pipe, steerings, vectors=vectors):
            progress.check()  # here, since waiting for the device may have taken long
            images: list[Image.Image] = pipe(
                **self._prompt_arguments(batch, guided=sampling.guidance_scale > 1),
                height=height,
                width=width,
                num_inference_steps=sampling.num_inference_steps,
                guidance_scale=sampling.guidance_scale,
                generator=generators,
                callback_on_step_end=progress.after_step(images=len(batch)),
            ).images
        return images

    @contextmanager
    def _pipeline(self, sampling: Sampling) -> Iterator[DiffusionPipeline]:
        """The model's pipeline with the scheduler of this sampling, for as long as the block lasts."""
        pipe = self.model.pipe
        own = pipe.scheduler
        pipe.scheduler = self._scheduler(sampling)
        try:
            yield pipe
        finally:
            pipe.scheduler = own

    def _prompt_arguments(self, batch: Sequence[Row], *, guided: bool) -> dict[str, torch.Tensor]:
        """The prompts of a batch as the pipeline's arguments."""
        encodings = {"": self.model.encode([row.prompt for row in batch])}
        if guided:
            encodings["negative_"] = self.model.encode_negative([row.negative_prompt for row in batch])
        arguments = {}
        for prefix, encoding in encodings.items():
            arguments[f"{prefix}prompt_embeds"] = encoding.embeds
            if encoding.pooled is not None:
                arguments[f"{prefix}pooled_prompt_embeds"] = encoding.pooled
        return arguments


class _Progress:
    """Counts the steps of one call over its batches, tells the caller, and stops when the caller says so."""

    def __init__(
        self,
        total: int,
        on_step: Callable[[int, int], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self._done = 0
        self._total = total
        self._on_step = on_step
        self._cancelled = cancelled

    def check(self) -> None:
        """Raise GenerationCancelled where the caller wants no more."""
        if self._cancelled is not None and self._cancelled():
            raise GenerationCancelled(f"Cancelled after {self._done} of {self._total} image steps.")

    def after_step(self, *, images: int) -> Callable[..., dict[str, torch.Tensor]]:
        """A pipeline's `callback_on_step_end` for a batch of so many images."""

        def count(
            _pipe: DiffusionPipeline,
            _step: int,
            _timestep: torch.Tensor,
            _tensors: Mapping[str, torch.Tensor],
        ) -> dict[str, torch.Tensor]:
            self._done += images
            if self._on_step is not None:
                self._on_step(self._done, self._total)
            self.check()
            return {}

        return count


def _applied(row: Row, found: Mapping[str, StoredVector]) -> tuple[AppliedVector, ...]:
    return tuple(
        AppliedVector(found[name].name, found[name].version, found[name].digest, strength)
        for name, strength in row.steering.items()
        if strength != 0
    )
