"""What every route that makes images goes through: the same allowances, counting, giving up and telling.

Entry points: `Serving.generate`, `Serving.encoded`, and `count_images` for who makes images without a client.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from diffusion import GenerationCancelled
from service.callers import Caller
from service.draining import Draining
from service.errors import ShuttingDownError
from service.generated import Generated
from service.generation import Generation
from service.happenings import Told, nobody
from service.holding import held
from service.metrics import Metrics
from service.observability.trail import stage
from service.schemas import GenerateRequest
from service.state.allowances import Allowances

RETRY_AFTER_S = 1
"""When a client that a replica lets go of at its end is to try again: the others are there."""

Encoded = TypeVar("Encoded")


class Serving:
    """Makes the images that clients wait for, with one Generation, within their tenants' allowances."""

    def __init__(
        self, generation: Generation, metrics: Metrics, allowances: Allowances, draining: Draining
    ) -> None:
        self.generation = generation
        self._metrics = metrics
        self._allowances = allowances
        self._draining = draining

    async def generate(
        self,
        request: GenerateRequest,
        caller: Caller,
        gone: asyncio.Event,
        told: Told = nobody,
        preview_every: int | None = None,
    ) -> Generated:
        """Return the images of a request, counted; once its client is gone or its time is up, give them up.

        Raises what `Generation.generate` raises, AllowanceExceeded where the caller's tenant has used up what it may
        ask for, GenerationCancelled where the client went away, and ShuttingDownError where the grace period of a
        shutdown was too short.
        """
        made = self._made(request, caller, told, preview_every)
        generated = await _unless(gone, self._draining, made)
        count_images(self._metrics, generated)
        return generated

    async def _made(
        self, request: GenerateRequest, caller: Caller, told: Told, preview_every: int | None
    ) -> Generated:
        deadline = self.generation.deadline(request)
        # Before anything else: a full queue is told at once, for next to nothing.
        self.generation.check_room(request, caller)
        # What cannot be followed takes nothing from the allowance.
        checked = await self.generation.check(request, caller)
        async with held(self._allowances, caller.tenant, request.num_images):
            return await self.generation.generate(request, caller, told, preview_every, deadline, checked)

    async def encoded(self, encode: Callable[[], Encoded]) -> Encoded:
        """Return what `encode` makes of generated images, made on a thread; its time is a stage of the request."""
        with stage("encode"):
            return await asyncio.to_thread(encode)


def count_images(metrics: Metrics, generated: Generated) -> None:
    """Count the images of a request, what was added to them, and what a screen said."""
    for made in generated.images:
        metrics.count_image(
            (applied.concept for applied in made.record.applied),
            made.members,
            is_served=made.image is not None,
        )
        if made.record.screen is not None:
            metrics.count_screened(made.record.screen.outcome)


async def _unless(gone: asyncio.Event, draining: Draining, work: Coroutine[Any, Any, Generated]) -> Generated:
    """Return what `work` returns; once nobody can wait for it any more, cancel it and say why."""
    working = asyncio.create_task(work)
    leaving, ending = asyncio.create_task(gone.wait()), asyncio.create_task(draining.ended())
    try:
        await asyncio.wait({working, leaving, ending}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return await working
        if leaving.done():
            raise GenerationCancelled("The client went away.")
        raise ShuttingDownError(RETRY_AFTER_S)
    finally:
        for task in (working, leaving, ending):
            task.cancel()
