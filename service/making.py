"""Making what was planned: the engine's runs, and the screen's look at what comes out of them.

Entry points: `Making`, `MadeRun`.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TypeAlias

from diffusion import Failed, Finished, GeneratedImage, Order, Row, Sampling, SamplingError, Started
from policies.plan import ImagePlan, joined_negative_prompt
from policies.screen_rule import ScreenRule
from service.errors import ImpossibleStepsError, TooFewStepsError
from service.limits import check_negative_prompt
from service.loading import LoadedModel
from service.schemas import GenerateRequest
from service.screen import Take, screened

Again: TypeAlias = Callable[[ImagePlan, int], ImagePlan]
"""From an image's plan and the number of the retry to the plan of that retry."""


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
        self, request: GenerateRequest, plans: Sequence[ImagePlan], rule: ScreenRule | None, again: Again
    ) -> MadeRun:
        """Make the images, and have them looked at and made again as the screen rule says."""
        rows = [
            Row(
                image_plan.prompt,
                image_plan.seed,
                joined_negative_prompt(image_plan.averted, request.negative_prompt),
                self._pinned(image_plan.strengths),
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
        submitted = time.perf_counter()
        first = await self._run(await asyncio.to_thread(self._prepare, rows, sampling), plans)
        if rule is None:
            return first
        queue_s = first.queue_s

        async def retake(takes: Sequence[Take], retry: int) -> Sequence[Take]:
            nonlocal queue_s
            plans = [again(take.plan, retry) for take in takes]
            rows = [
                replace(take.order.row, seed=image_plan.seed, steering=self._pinned(image_plan.strengths))
                for take, image_plan in zip(takes, plans, strict=True)
            ]
            run = await self._run(await asyncio.to_thread(self._prepare, rows, sampling), plans)
            queue_s += run.queue_s
            return run.takes

        screen = self._loaded.screen
        assert screen is not None, "check_screen has refused the policy"
        takes = await screened(first.takes, rule, screen, retake)
        return MadeRun(takes, queue_s, generate_s=time.perf_counter() - submitted - queue_s)

    def _pinned(self, strengths: Mapping[str, float]) -> dict[str, float]:
        """Name the loaded versions, whatever has been published since."""
        return {self._loaded.vectors[concept].reference: strength for concept, strength in strengths.items()}

    def _prepare(self, rows: Sequence[Row], sampling: Sampling) -> list[Order]:
        """Let the engine check what the schedulers and the vectors' files alone know."""
        for negative_prompt in {row.negative_prompt for row in rows}:
            check_negative_prompt(negative_prompt, self._loaded.model)
        try:
            orders = self._loaded.engine.prepare(rows, sampling)
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

    async def _run(self, orders: Sequence[Order], plans: Sequence[ImagePlan]) -> MadeRun:
        """Let the engine make the images; it waits for them as long as its first one does."""
        submitted = time.perf_counter()
        started = None
        images: dict[int, GeneratedImage] = {}
        async with aclosing(self._loaded.engine.stream(orders)) as events:
            async for event in events:
                match event:
                    case Started():
                        started = started or time.perf_counter()
                    case Finished(image, result):
                        images[image] = result
                    case Failed(_, error):
                        raise error
        started = started or submitted
        return MadeRun(
            [
                Take(image_plan, order, images[image])
                for image, (order, image_plan) in enumerate(zip(orders, plans, strict=True))
            ],
            queue_s=started - submitted,
            generate_s=time.perf_counter() - started,
        )


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
