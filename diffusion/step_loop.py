"""The loop that owns the device: at every turn one step of some images, and a few finished ones decoded.

Entry point: `StepLoop`. What runs next is decided in `diffusion.admission`, computed in `diffusion.runner`.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import math
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from diffusion.admission import Admission
from diffusion.cores import take_cores
from diffusion.errors import (
    DeadlineExceeded,
    EngineFailedError,
    GenerationCancelled,
    NonFiniteError,
    OutOfMemoryError,
    QueueFullError,
)
from diffusion.events import Event, Failed, Finished, Started, Stepped
from diffusion.in_flight import InFlight
from diffusion.job import Job, ticket_of, wants_preview
from diffusion.rows import GeneratedImage
from diffusion.runner import Runner
from diffusion.statistics import EngineStatistics, Statistics
from diffusion.tickets import area_weight
from diffusion.work_rate import WorkRate

logger = logging.getLogger(__name__)

_DECODED_AT_ONCE = 8
"""Finished images decoded between two steps: few enough that those still denoising hardly wait."""
_SOONEST_RETRY_S = 1.0
"""The least that who is refused is told to wait, and what it is told before anything is known of the rate."""
_LINGER_S = 2.0
"""How long the thread waits for more work before it ends; the next work starts another."""


_LOOPS: weakref.WeakSet[StepLoop] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """End every thread before the interpreter does: one that it finds at work on the device takes the process down."""
    for loop in list(_LOOPS):
        loop.end()


class StepLoop:
    """Takes jobs from any thread and works on them on one of its own, which lives while there is work.

    Where a turn fails in an unforeseen way every job fails with EngineFailedError and the device's state is built
    anew, once; where that fails too, the loop is broken for good: `failure` says so and nothing is accepted.
    """

    def __init__(
        self,
        make_runner: Callable[[], Runner],
        admission: Admission,
        clock: Callable[[], float],
        native: tuple[int, int],
    ) -> None:
        """`native` is the height and width of latents of the model's own size, the unit of work."""
        self._make_runner, self._admission, self._clock = make_runner, admission, clock
        self._native = native
        self._runner = make_runner()
        self._keys = itertools.count()
        self._jobs: dict[int, Job] = {}
        self._undecoded: deque[tuple[Job, torch.Tensor]] = deque()
        self._gone: list[Job] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._crashes = 0
        self._rate = WorkRate()
        self._statistics = EngineStatistics()
        self._is_ending = False
        _LOOPS.add(self)
        self.failure: EngineFailedError | None = None
        """Why nothing is accepted any more; None while the loop works."""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take on jobs, all or none; raises QueueFullError, RowTooLargeError and EngineFailedError."""
        with self._changed:
            if self.failure is not None:
                raise self.failure
            now_s = self._clock()
            for job in jobs:
                job.key, job.submitted_s = next(self._keys), now_s
            with self._told_when_to_retry():
                self._admission.submit([ticket_of(job, self._native) for job in jobs], now_s)
            self._jobs |= {job.key: job for job in jobs}
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="trimtab-engine", daemon=True)
                self._thread.start()
            self._changed.notify()

    def check_room(self, tenant: str, images: int) -> None:
        """Raise QueueFullError where so many more images of a tenant may not wait, and EngineFailedError."""
        with self._changed:
            if self.failure is not None:
                raise self.failure
            with self._told_when_to_retry():
                self._admission.check_room(tenant, images, self._clock())

    def done_within_s(self) -> float:
        """How long it takes to do all that is here, at the rate of late, in seconds; 0 before the first step."""
        with self._changed:
            work = self._admission.waiting_work + self._admission.running_work
            return self._rate.seconds_for(work) or 0.0

    @contextmanager
    def _told_when_to_retry(self) -> Iterator[None]:
        """Have a full queue say how long what waits now will take.

        One place is free sooner, but all who were refused would be back for it.
        """
        try:
            yield
        except QueueFullError as full:
            wait_s = self._rate.seconds_for(self._admission.waiting_work)
            full.retry_after_s = max(_SOONEST_RETRY_S, wait_s or 0.0)
            raise

    def cancel(self, jobs: Sequence[Job]) -> None:
        """Give up jobs that are not finished; their places are free at the next step."""
        with self._changed:
            there = [job for job in jobs if self._forget(job)]
            self._changed.notify()
        for job in there:
            self._tell(job, Failed(job.image, GenerationCancelled("The image was cancelled.")))

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """From now on, these are the tenants' shares, 1 where not named; raises ValueError."""
        with self._changed:
            self._admission.set_weights(weights)

    def end(self) -> None:
        """Let the thread end after its turn, whatever is left to do, and wait for it."""
        with self._changed:
            self._is_ending = True
            thread = self._thread
            self._changed.notify_all()
        if thread is not None:
            thread.join()

    def positions(self, jobs: Sequence[Job]) -> dict[int, int]:
        """Return the place in the queue, from 1, of each image among them that still waits."""
        with self._changed:
            found = {job.image: self._admission.position(job.key) for job in jobs if job.key in self._jobs}
        return {image: position for image, position in found.items() if position is not None}

    @property
    def free_rows(self) -> int:
        """How many U-Net rows of the model's own size could begin at once; below 0 where images wait."""
        with self._changed:
            taken = sum(
                len(job.order.passes) * area_weight(job.order.latent_shape[1:], self._native)
                for job in self._jobs.values()
            )
            return math.floor(self._admission.capacity(self._native) - taken)

    @property
    def statistics(self) -> Statistics:
        """What the loop has done by now, and what it is at."""
        with self._changed:
            waiting, running = self._admission.waiting_count, self._admission.running_count
        return self._statistics.read(waiting_rows=waiting, running_rows=running)

    def _forget(self, job: Job) -> bool:
        """Take a job off the books; return whether it was on them."""
        if self._jobs.pop(job.key, None) is None:
            return False
        self._admission.cancel(job.key)
        self._gone.append(job)
        return True

    def _work(self) -> None:
        """Run turns until there is nothing to do."""
        take_cores()
        while True:
            try:
                if not self._turn():
                    return
            except Exception as error:
                logger.exception("A step failed in an unforeseen way.")
                self._recover(error)

    def _turn(self) -> bool:
        """Take one step and decode a few images; return False where no work has come for a while."""
        with self._changed:
            if not self._jobs and not self._gone:
                self._changed.wait_for(
                    lambda: bool(self._jobs or self._gone or self._is_ending), timeout=_LINGER_S
                )
            if self._is_ending or not (self._jobs or self._gone):
                self._thread = None
                return False
            decision = self._admission.next_step(self._clock())
            expired = [job for key in decision.expired if (job := self._jobs.pop(key, None)) is not None]
            running = [self._jobs[key] for key in decision.step.running] if decision.step else []
            gone, self._gone = [*self._gone, *expired], []
        for job in gone:
            self._drop(job)
        for job in expired:
            self._tell(job, Failed(job.image, DeadlineExceeded("The image's deadline has passed.")))
        begin_s = self._clock()
        work = self._advance(running) if running else 0.0
        self._decode()
        self._rate.take(work, self._clock() - begin_s)
        return True

    def _drop(self, job: Job) -> None:
        """Take a job off the device."""
        if job.row is not None:
            self._runner.drop(job.row)
            job.row = None

    def _advance(self, jobs: Sequence[Job]) -> float:
        """Take one step of jobs of one shape, put those that finished to be decoded, and return the work done."""
        begin_s = self._clock()
        try:
            self._begin([job for job in jobs if job.row is None])
            rows = [job.row for job in jobs if job.row is not None]
            previewed = [job for job in jobs if wants_preview(job)]
            pictures = self._runner.step(rows, [job.row for job in previewed if job.row is not None])
        except torch.OutOfMemoryError as error:
            self._halve(jobs, error)
            return 0.0
        unet_rows = sum(len(job.order.passes) for job in jobs)
        self._statistics.stepped(len(jobs), unet_rows, self._clock() - begin_s)
        previews = dict(zip((job.key for job in previewed), pictures, strict=True))
        for job, row in zip(jobs, rows, strict=True):
            steps = row.order.schedule.num_steps
            self._tell(job, Stepped(job.image, row.step, steps, previews.get(job.key)))
            if row.is_finished:
                self._finish(job, row)
        return area_weight(jobs[0].order.latent_shape[1:], self._native) * unet_rows

    def _begin(self, jobs: Sequence[Job]) -> None:
        """Put jobs on the device that are not there yet."""
        if not jobs:
            return
        now_s = self._clock()
        for job, row in zip(jobs, self._runner.begin([job.order for job in jobs]), strict=True):
            job.row = row
            self._statistics.started(now_s - job.submitted_s)
            self._tell(job, Started(job.image))

    def _finish(self, job: Job, row: InFlight) -> None:
        """Take a finished job's latents off the device's books; it stays on ours until it is decoded."""
        with self._changed:
            if not self._admission.is_here(job.key):
                return  # cancelled while its last step ran, or too late by then; the next turn frees its place
            self._admission.finished(job.key)
        job.row = None
        self._undecoded.append((job, self._runner.finish(row)))

    def _halve(self, jobs: Sequence[Job], error: torch.OutOfMemoryError) -> None:
        """Let fewer rows of this shape run together; what has to wait keeps its state."""
        shape = jobs[0].order.latent_shape
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        size = f"{sum(len(job.order.passes) for job in jobs)} U-Net rows of latents {shape[1]} x {shape[2]}"
        self._statistics.ran_out_of_memory()
        logger.warning("Out of memory with %s; going on with fewer.", size)
        with self._changed:
            if not any(self._admission.is_here(job.key) for job in jobs):
                return  # all were cancelled in the meantime, or are too late
            displaced = self._admission.out_of_memory(shape[1:])
            if (
                displaced.unfit
            ):  # one image alone; there may be room for the next, when others have left the device
                self._admission.set_capacity(shape[1:], sum(len(job.order.passes) for job in jobs))
            unfit = [job for key in displaced.unfit if (job := self._jobs.pop(key, None)) is not None]
            self._gone += unfit
        told = OutOfMemoryError(
            f"There is no memory for {size}: ask for a smaller picture, or do without preserved structure. {error}"
        )
        for job in unfit:
            self._tell(job, Failed(job.image, told))

    def _decode(self) -> None:
        """Decode a few finished images of one shape."""
        taken = self._take_undecoded()
        sound = [job for job, latents in taken if bool(latents.isfinite().all())]
        begin_s = self._clock()
        decoded = self._runner.decode([latents for job, latents in taken if job in sound])
        if sound:
            self._statistics.decoded(self._clock() - begin_s)
        images = dict(zip(sound, decoded, strict=True))
        for job, _ in taken:
            with self._changed:
                if self._jobs.pop(job.key, None) is None:
                    continue  # cancelled in the meantime
            row = job.order.row
            if job in images:
                self._statistics.finished(len(job.order.vectors))
                made = GeneratedImage(images[job], row.seed, row.prompt, job.order.applied)
                self._tell(job, Finished(job.image, made))
            else:
                self._tell(job, Failed(job.image, NonFiniteError(row.seed)))

    def _take_undecoded(self) -> list[tuple[Job, torch.Tensor]]:
        """Take the images off that are decoded next: those of one shape that have waited longest."""
        taken: list[tuple[Job, torch.Tensor]] = []
        while len(taken) < _DECODED_AT_ONCE and self._undecoded:
            if taken and self._undecoded[0][1].shape != taken[0][1].shape:
                break
            taken.append(self._undecoded.popleft())
        return taken

    def _tell(self, job: Job, event: Event) -> None:
        """Hand on an event, unless the job has ended; who cannot hear it any more is not worked for."""
        with self._changed:  # so that nothing comes after a job's last event, whoever ends it
            if job.has_ended:
                return
            job.has_ended = isinstance(event, Finished | Failed)
            try:
                job.on_event(event)
            except Exception:
                logger.exception("Whoever asked for an image could not be told of it; it is given up.")
                job.has_ended = True
                self._forget(job)

    def _recover(self, error: Exception) -> None:
        """Fail every job, and begin anew with an empty device, the first time and where that can be done."""
        self._crashes += 1
        self._statistics.failed()
        self._fail_all(error, "twice, lastly" if self._crashes > 1 else None)
        if self.failure is None:
            try:
                self._runner = self._make_runner()
            except Exception as again:
                logger.exception("The engine could not begin anew.")
                self._fail_all(again, "and could not begin anew")

    def _fail_all(self, error: Exception, for_good: str | None) -> None:
        """Take every job off the books and tell it; `for_good` says how the engine failed where it is the end."""
        failed = EngineFailedError(f"The engine failed: {error!r}. Ask again; the log says more.")
        failed.__cause__ = error
        with self._changed:
            jobs = list(self._jobs.values())
            for job in jobs:
                self._forget(job)
            self._gone.clear()
            self._undecoded.clear()
            if for_good is not None:
                self.failure = EngineFailedError(
                    f"The engine failed {for_good}: {error!r}. Restart the process; the log says more."
                )
        for job in jobs:
            self._tell(job, Failed(job.image, failed))
