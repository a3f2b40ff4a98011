"""What every route that makes images goes through: the same allowances, counting, giving up and telling.

Entry points: `Serving.generate`, `Serving.encoded`, and `count_images` for who makes images without a client.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from diffusion import GenerationCancelled
from service.callers import Caller
from service.generation import Generated, Generation
from service.happenings import Told, nobody
from service.holding import held
from service.metrics import Metrics
from service.observability.trail import stage
from service.schemas import GenerateRequest
from service.state.allowances import Allowances

Encoded = TypeVar("Encoded")


class Serving:
    """Makes the images that clients wait for, with one Generation, within their tenants' allowances."""

    def __init__(self, generation: Generation, metrics: Metrics, allowances: Allowances) -> None:
        self.generation = generation
        self._metrics = metrics
        self._allowances = allowances

    async def generate(
        self,
        request: GenerateRequest,
        caller: Caller,
        gone: asyncio.Event,
        told: Told = nobody,
        preview_every: int | None = None,
    ) -> Generated:
        """Return the images of a request, counted; once its client is gone, give them up.

        Raises what `Generation.generate` raises, AllowanceExceeded where the caller's tenant has used up what it may
        ask for, and GenerationCancelled where the client went away.
        """
        generated = await _unless(gone, self._made(request, caller, told, preview_every))
        count_images(self._metrics, generated)
        return generated

    async def _made(
        self, request: GenerateRequest, caller: Caller, told: Told, preview_every: int | None
    ) -> Generated:
        # What cannot be followed takes nothing from the allowance.
        await self.generation.check(request, caller)
        async with held(self._allowances, caller.tenant, request.num_images):
            return await self.generation.generate(request, caller, told, preview_every)

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


async def _unless(gone: asyncio.Event, work: Coroutine[Any, Any, Generated]) -> Generated:
    """Return what `work` returns; once the client is gone, cancel it and raise GenerationCancelled."""
    working, leaving = asyncio.create_task(work), asyncio.create_task(gone.wait())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise GenerationCancelled("The client went away.")
        return await working
    finally:
        working.cancel()
        leaving.cancel()
