"""Making what was planned: the engine's runs, and the screen's look at what comes out of them.

Entry points: `Making`, `MadeRun`.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from diffusion import (
    DeadlineExceeded,
    Failed,
    Finished,
    GeneratedImage,
    Order,
    Row,
    RowTooLargeError,
    Sampling,
    SamplingError,
    Started,
    Stepped,
    Waiting,
)
from policies.image_plan import ImagePlan, joined_negative_prompt
from service import happenings
from service.deadline import Deadline
from service.errors import ImageTooLargeError, ImpossibleStepsError, OutOfTimeError, TooFewStepsError
from service.happenings import Told
from service.loading import LoadedModel
from service.observability.tracing import Attributes
from service.observability.trail import Stages
from service.planned import Planned
from service.screen import Take, screened

Again: TypeAlias = Callable[[ImagePlan, int], ImagePlan]
"""From an image's plan and the number of the retry to the plan of that retry."""

WAITING_TOLD_EVERY_S = 1.0
"""How often a request that waits for the engine is told its place, in seconds."""


@dataclass(frozen=True)
class MadeRun:
    """The images of one request, and how long they waited for the engine and were made, in seconds."""

    takes: Sequence[Take]
    queue_s: float
    generate_s: float


class Making:
    """Makes planned images with one loaded model."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded

    async def make(
        self,
        planned: Planned,
        again: Again | None,
        told: Told,
        preview_every: int | None = None,
        deadline: Deadline | None = None,
    ) -> MadeRun:
        """Make the images, and have them looked at and made again as the screen rule in force says.

        `again` plans an image that is made again; None where no rule has any looked at.

        Raises OutOfTimeError once the deadline has come, for whichever attempt.
        """
        rule = planned.in_force.screen
        batch = _Batch(self._loaded, planned, told, preview_every, deadline)
        submitted = time.perf_counter()
        first = await batch.run(planned.images, range(len(planned.images)))
        if rule is None:
            return first
        assert again is not None, "what a rule blocks may be made again"
        queue_s = first.queue_s

        async def retake(numbers: Sequence[int], retry: int) -> Sequence[Take]:
            nonlocal queue_s
            run = await batch.run([again(planned.images[number], retry) for number in numbers], numbers)
            queue_s += run.queue_s
            return run.takes

        screen = self._loaded.screen
        assert screen is not None, "check_screen has refused the policy"
        takes = await screened(first.takes, rule, screen, retake)
        return MadeRun(takes, queue_s, generate_s=time.perf_counter() - submitted - queue_s)


class _Batch:
    """The images of one plan on their way through the engine, told of by their numbers in the request."""

    def __init__(
        self,
        loaded: LoadedModel,
        planned: Planned,
        told: Told,
        preview_every: int | None,
        deadline: Deadline | None,
    ) -> None:
        self._loaded, self._planned = loaded, planned
        self._told, self._preview_every, self._deadline = told, preview_every, deadline

    async def run(self, plans: Sequence[ImagePlan], numbers: Sequence[int]) -> MadeRun:
        """Let the engine make these images of the request; it waits for them as long as the first of them does."""
        orders = await asyncio.to_thread(prepared_orders, self._loaded, self._planned, plans)
        submitted = time.perf_counter()
        started = None
        images: dict[int, GeneratedImage] = {}
        denoising = set(range(len(plans)))
        stream = self._loaded.engine.stream(
            orders,
            tenant=self._planned.tenant,
            timeout_s=None if self._deadline is None else self._deadline.left_s(),
            preview_every=self._preview_every,
            waiting_every_s=WAITING_TOLD_EVERY_S,
        )
        with self._refused_by_name(), Stages() as stages:
            stages.enter("queue")
            async with aclosing(stream) as events:
                async for event in events:
                    match event:
                        case Waiting(image, position):
                            if image == 0:
                                self._told(happenings.Queued(position))
                        case Started():
                            if started is None:
                                started = time.perf_counter()
                                stages.enter("steps", _told_of(plans, orders))
                        case Stepped(image, step, steps, preview):
                            self._told(happenings.Stepped(numbers[image], step, steps))
                            if preview is not None:
                                self._told(happenings.Previewed(numbers[image], step, preview))
                            if step == steps:
                                denoising.discard(image)
                                if not denoising:
                                    stages.enter("decode", {"trimtab.rows": len(plans)})
                        case Finished(image, result):
                            images[image] = result
                        case Failed(_, DeadlineExceeded()) if self._deadline is not None:
                            raise OutOfTimeError(self._deadline.timeout_s)
                        case Failed(_, error):
                            raise error
        started = started or submitted
        return MadeRun(
            [Take(image_plan, images[image]) for image, image_plan in enumerate(plans)],
            queue_s=started - submitted,
            generate_s=time.perf_counter() - started,
        )

    @contextmanager
    def _refused_by_name(self) -> Iterator[None]:
        """Raise ImageTooLargeError where the device could not hold an image of the plan even alone."""
        try:
            yield
        except RowTooLargeError as error:
            request, (default_height, default_width) = self._planned.request, self._loaded.model.default_size
            height, width = request.height or default_height, request.width or default_width
            field, pixels = ("height", height) if height >= width else ("width", width)
            raise ImageTooLargeError(
                f"An image of {height} x {width} pixels takes {error.unet_rows} rows of the U-Net, and the device "
                f"holds {error.capacity} of this size.",
                field=field,
                value=pixels,
                cure="Ask for a smaller image, or for guidance_scale 1, which takes one row.",
            ) from error


def prepared_orders(loaded: LoadedModel, planned: Planned, plans: Sequence[ImagePlan]) -> list[Order]:
    """Return images of a plan as the engine takes them; it checks what schedulers and vectors' files alone know.

    Raises ImpossibleStepsError, TooFewStepsError and VectorErrors. It may read files: on a thread.
    """
    request, references = planned.request, planned.references
    rows = [
        Row(
            image_plan.prompt,
            image_plan.seed,
            joined_negative_prompt(image_plan.words, request.negative_prompt),
            # The versions that were planned, whatever has been published since.
            {references[concept]: strength for concept, strength in image_plan.strengths.items()},
        )
        for image_plan in plans
    ]
    sampling = Sampling(
        num_inference_steps=request.num_inference_steps,
        guidance_scale=request.guidance_scale,
        height=request.height,
        width=request.width,
        scheduler=request.scheduler,
    )
    try:
        orders = loaded.engine.prepare(rows, sampling)
    except SamplingError as error:
        # All else that this error stands for has been checked before.
        raise ImpossibleStepsError(
            str(error),
            field="num_inference_steps",
            value=sampling.num_inference_steps,
            cure="Ask for another number of steps, or another scheduler.",
        ) from error
    for order in orders:
        _check_added(order)
    return orders


def _told_of(plans: Sequence[ImagePlan], orders: Sequence[Order]) -> Attributes:
    """Return what a trace says of the images of one run."""
    return {
        "trimtab.rows": len(plans),
        "trimtab.unet_rows": sum(len(order.passes) for order in orders),
        "trimtab.steps": orders[0].schedule.num_steps,
        "trimtab.applied": sorted({concept for image_plan in plans for concept in image_plan.strengths}),
    }


def _check_added(order: Order) -> None:
    """Raise TooFewStepsError where a vector would be added at none of an image's steps."""
    timesteps = order.schedule.timesteps
    for stored in order.vectors.values():
        start, end = stored.vector.timesteps
        if not ((start <= timesteps) & (timesteps < end)).any():
            raise TooFewStepsError(
                f"At {order.sampling.num_inference_steps} inference steps the vector of {stored.name!r} would never be "
                f"added: it is made for timesteps {start} to {end - 1}.",
                field="num_inference_steps",
                value=order.sampling.num_inference_steps,
                cure="Ask for more steps; 20 to 50 are usual.",
            )
