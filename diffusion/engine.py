"""The engine: rows of work in, images out; all rows in flight share every forward pass.

Entry point: `Engine`. A row joins at the next step, takes its own steps with its own guidance, scheduler and
vectors, and leaves when it is finished: `diffusion.step_loop` is the loop, `diffusion.runner` its step.
"""

from __future__ import annotations

import asyncio
import math
import queue
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import islice
from types import MappingProxyType

from diffusion.admission import Admission
from diffusion.bank import check_fit, check_strengths, refused_without_guidance
from diffusion.capacity import RowCapacity
from diffusion.errors import EngineFailedError, GenerationCancelled, QueueFullError, SamplingError
from diffusion.events import Event, Failed, Finished, Stepped, Waiting
from diffusion.forward import Forward
from diffusion.forward_choice import choose_forward
from diffusion.in_flight import Order
from diffusion.job import Job
from diffusion.model import DiffusionModel
from diffusion.passes import passes_of
from diffusion.rows import GeneratedImage, Row, Sampling
from diffusion.runner import Runner
from diffusion.schedules import schedule
from diffusion.site import BOTTLENECK
from diffusion.statistics import Statistics
from diffusion.step_loop import StepLoop
from vectors import StoredVector, VectorLibrary

_POLL_S = 0.1


class Engine:
    """Makes images with one model and the vectors of one library, up to `max_batch_rows` U-Net rows at a time.

    An image takes two rows with guidance and one without; a single one is always made, whatever it takes. Safe to
    call from several threads, and from asyncio. An image depends on its row and sampling alone, whatever else is in
    flight. While images are being made the model's pipeline is not to be used by anything else.
    """

    def __init__(
        self,
        model: DiffusionModel,
        vectors: VectorLibrary,
        max_batch_rows: int = 64,
        *,
        max_waiting: int = 1024,
        max_waiting_per_tenant: int | None = None,
        execution: str = "auto",
        sites: Collection[str] = (BOTTLENECK,),
        weights: Mapping[str, float] = MappingProxyType({}),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`execution` is how forward passes are run, see `choose_forward`; on CUDA they are warm when this returns.

        They are warm for vectors of `sites`; the first of another one has all passes prepared anew.
        `weights` are the tenants' shares of the engine, see `set_weights`.
        """
        if max_batch_rows < 1:
            raise SamplingError(f"Batches of {max_batch_rows} rows make no images: allow at least 1.")
        self.model = model
        self.vectors = vectors
        self.max_batch_rows = max_batch_rows
        self._clock = clock
        capacity = RowCapacity(model, max_batch_rows)
        forward = choose_forward(model, execution, max_batch_rows)
        _, height, width = model.latent_shape(*model.default_size)
        self._loop = StepLoop(
            partial(_warm_runner, model, forward, sites),
            Admission(
                capacity,
                max_waiting=max_waiting,
                max_waiting_per_tenant=max_waiting_per_tenant,
                weights=weights,
            ),
            clock,
            native=(height, width),
        )
        self._fitting: set[str] = set()
        """The digests of vectors that are known to fit the model."""
        self._schedule = lru_cache(maxsize=256)(partial(schedule, config=model.scheduler_config))

    @property
    def failure(self) -> EngineFailedError | None:
        """Why nothing can be made any more; None while all is well."""
        return self._loop.failure

    @property
    def free_rows(self) -> int:
        """How many more U-Net rows of the model's own size could begin at once; below 0 where images wait."""
        return self._loop.free_rows

    @property
    def statistics(self) -> Statistics:
        """What the engine has done since it was made, and what it is at; reading it waits for no step."""
        return self._loop.statistics

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """Have these be the tenants' shares of the engine, 1 where not named, for rows that wait already too.

        Raises ValueError where one is not from 0.001 to 1000.
        """
        self._loop.set_weights(weights)

    def check_room(self, images: int, *, tenant: str = "") -> None:
        """Refuse at once what `submit` would refuse after all has been prepared.

        Raises QueueFullError where so many images could not wait now, and EngineFailedError where the engine is broken.
        What has passed may be refused all the same: others may come in between.
        """
        self._loop.check_room(tenant, images)

    def done_within_s(self) -> float:
        """How long all that runs and waits takes, at the rate of late, in seconds; 0 before the first step."""
        return self._loop.done_within_s()

    def prepare(self, rows: Sequence[Row], sampling: Sampling) -> list[Order]:
        """Check everything about rows and look up their vectors; makes nothing.

        Raises SizeError and SamplingError (or UnknownSchedulerError) for the sampling; SamplingError, SteeringError
        and PromptTooLongError for a row; the vectors' VectorError for a concept that is unknown, whose file is
        unsound or that was made for another model; SiteError for one whose site the model lacks.
        """
        default_height, default_width = self.model.default_size
        height = default_height if sampling.height is None else sampling.height
        width = default_width if sampling.width is None else sampling.width
        latent_shape = self.model.latent_shape(height, width)
        if not math.isfinite(sampling.guidance_scale):
            raise SamplingError(
                f"The guidance scale {sampling.guidance_scale} must be finite; 5 to 8 is usual."
            )
        steps = self._schedule(
            sampling.scheduler, num_inference_steps=sampling.num_inference_steps, eta=sampling.eta
        )
        for row in rows:
            _check(row)
        for prompt in {text for row in rows for text in (row.prompt, row.negative_prompt)}:
            self.model.check_prompt(prompt)
        found = self._find(dict.fromkeys(name for row in rows for name in row.steering))
        scale = 1.0 if self.model.embeds_guidance else sampling.guidance_scale
        orders = []
        for row in rows:
            vectors = {name: found[name] for name, strength in row.steering.items() if strength != 0}
            steers = {
                half: any(stored.vector.on(conditional=half) is not None for stored in vectors.values())
                for half in (True, False)
            }
            for name, stored in vectors.items():
                if scale <= 1 and stored.vector.needs_guidance:
                    raise refused_without_guidance(name)
            passes = passes_of(
                row, guidance_scale=scale, steers_conditional=steers[True], steers_unconditional=steers[False]
            )
            orders.append(Order(row, sampling, steps, latent_shape, vectors, passes))
        return orders

    def _find(self, names: Iterable[str]) -> dict[str, StoredVector]:
        """Look up vectors by the names that steerings use, and see that they fit the model."""
        found = {name: self.vectors.resolve(name) for name in names}
        for stored in found.values():
            # The model never changes, and a digest names one vector: what fits once fits ever after.
            if stored.digest not in self._fitting:
                check_fit(self.model.pipe.unet, stored.vector)
                self._fitting.add(stored.digest)
        return found

    def generate(
        self,
        rows: Sequence[Row],
        sampling: Sampling,
        on_step: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[GeneratedImage]:
        """Make one image of each row, in order.

        `on_step(done, total)` is told after every step of an image how many are done, counted over all images.
        Everything is checked first, and raises as `prepare` does. `cancelled()` is asked before the first step and
        again and again; GenerationCancelled is raised once it says so. What else goes wrong with an image is raised
        as `Failed` names it.
        """
        orders = self.prepare(rows, sampling)
        total = sum(order.schedule.num_steps for order in orders)
        done = 0
        results: dict[int, GeneratedImage] = {}

        def check() -> None:
            if cancelled is not None and cancelled():
                raise GenerationCancelled(f"Cancelled after {done} of {total} image steps.")

        for event in self._events(orders, check):
            match event:
                case Failed(_, error):
                    raise error
                case Finished(image, result):
                    results[image] = result
                case Stepped():
                    done += 1
                    if on_step is not None:
                        on_step(done, total)
            check()
        return [results[image] for image in range(len(orders))]

    def _events(self, orders: Sequence[Order], check: Callable[[], None]) -> Iterator[Event]:
        """Yield what happens to orders until all have ended, handing in no more at once than can run and wait a step.

        What is left of them is cancelled where the caller stops early.
        """
        happened: queue.SimpleQueue[Event] = queue.SimpleQueue()
        waiting = deque(Job(image, order, happened.put) for image, order in enumerate(orders))
        handed_in: dict[int, Job] = {}
        try:
            while waiting or handed_in:
                check()
                self._hand_in(waiting, handed_in)
                try:
                    event = happened.get(timeout=_POLL_S)
                except queue.Empty:
                    continue
                if isinstance(event, Finished | Failed):
                    del handed_in[event.image]
                yield event
        finally:
            self._loop.cancel(list(handed_in.values()))

    def _hand_in(self, waiting: deque[Job], handed_in: dict[int, Job]) -> None:
        """Hand in what waits, up to twice what runs at once; raises QueueFullError where none is in and none may be.

        It is handed in at once, not one by one: so the same images step together each time, and have the same bits.
        """
        count = 2 * self.max_batch_rows
        while count := min(count, len(waiting), 2 * self.max_batch_rows - len(handed_in)):
            jobs = list(islice(waiting, count))
            try:
                self._loop.submit(jobs)
            except QueueFullError:
                if count == 1 and not handed_in:
                    raise
                count //= 2
                continue
            for job in jobs:
                handed_in[waiting.popleft().image] = job

    def submit(
        self,
        orders: Sequence[Order],
        on_event: Callable[[Event], None],
        *,
        tenant: str = "",
        timeout_s: float | None = None,
        preview_every: int | None = None,
    ) -> Submission:
        """Hand in prepared orders, all or none; `on_event` hears of them on the engine's thread, and returns at once.

        After `timeout_s` an image that is not finished is given up. Raises QueueFullError where too many wait
        already, RowTooLargeError, and EngineFailedError where the engine is broken.
        """
        deadline_s = None if timeout_s is None else self._clock() + timeout_s
        jobs = [
            Job(image, order, on_event, tenant, deadline_s, preview_every)
            for image, order in enumerate(orders)
        ]
        self._loop.submit(jobs)
        return Submission(self._loop, jobs)

    async def stream(
        self,
        orders: Sequence[Order],
        *,
        tenant: str = "",
        timeout_s: float | None = None,
        preview_every: int | None = None,
        waiting_every_s: float | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Hand in prepared orders and yield what happens to them, until all have ended.

        With `waiting_every_s` images that wait say so at once, and again whenever nothing else has happened for so
        long. Raises as `submit` does. An iterator that is closed early (`contextlib.aclosing`) or whose task is
        cancelled gives up what is left, and its rows are free at the next step.
        """
        loop = asyncio.get_running_loop()
        happened: asyncio.Queue[Event] = asyncio.Queue()

        def tell(event: Event) -> None:
            loop.call_soon_threadsafe(happened.put_nowait, event)

        submission = self.submit(
            orders,
            tell,
            tenant=tenant,
            timeout_s=timeout_s,
            preview_every=preview_every,
        )
        left = len(orders)
        patience_s = None if waiting_every_s is None else 0.0
        try:
            while left:
                try:
                    # Not wait_for, which forgets that it was cancelled where an event comes at the same time.
                    async with asyncio.timeout(patience_s):
                        event = await happened.get()
                except TimeoutError:
                    patience_s = waiting_every_s
                    for image, position in submission.positions().items():
                        yield Waiting(image, position)
                    continue
                left -= isinstance(event, Finished | Failed)
                yield event
        finally:
            submission.cancel()


def _warm_runner(model: DiffusionModel, forward: Forward, sites: Collection[str]) -> Runner:
    runner = Runner(model, forward)
    runner.warm_up(sites)
    return runner


class Submission:
    """Images that were handed in together."""

    def __init__(self, loop: StepLoop, jobs: Sequence[Job]) -> None:
        self._loop, self._jobs = loop, jobs

    def cancel(self) -> None:
        """Give up those that are not finished; their rows are free at the next step."""
        self._loop.cancel(self._jobs)

    def positions(self) -> dict[int, int]:
        """Return the place in the queue, from 1, of each image that still waits."""
        return self._loop.positions(self._jobs)


def _check(row: Row) -> None:
    """Check what can be said of a row without the model."""
    if not 0 <= row.seed < 2**64:
        raise SamplingError(f"The seed {row.seed} is not in 0..2^64 - 1.")
    start, end = row.steered_steps
    if not 0 <= start < end <= 1:
        raise SamplingError(
            f"steered_steps {start} to {end}: give a start and a later end within 0 to 1, shares of the steps."
        )
    check_strengths(row.steering)
