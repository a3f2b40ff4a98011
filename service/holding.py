"""A request's part of its tenant's allowance, held while its images are made.

Entry points: `held`; and for what is accepted now and made later `counted`, and `kept` of what it took in between.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from service.callers import Tenant
from service.errors import StateUnavailableError
from service.state.allowances import HOLD_KEPT_S, Allowances, Hold

logger = logging.getLogger(__name__)

RENEWED_EVERY_S = HOLD_KEPT_S / 3


@asynccontextmanager
async def held(allowances: Allowances, tenant: Tenant, images: int) -> AsyncIterator[None]:
    """Count one request of so many images, and keep its places among the concurrent images until the block ends.

    What was counted per minute stays counted. Raises AllowanceExceeded, and StateUnavailableError where the store that
    counts cannot be reached; once the block has begun neither is raised any more.
    """
    if tenant.allowance.unlimited:
        yield
        return
    async with kept(allowances, await _taken(allowances, tenant, images)):
        yield


@asynccontextmanager
async def kept(allowances: Allowances, hold: Hold) -> AsyncIterator[None]:
    """Keep the places of a hold until the block ends, and give them back then; raises nothing of its own."""
    ended = asyncio.Event()
    keeping = asyncio.create_task(_keep(allowances, hold, ended))
    try:
        yield
    finally:
        ended.set()
        await asyncio.shield(keeping)


async def counted(allowances: Allowances, tenant: Tenant, images: int) -> None:
    """Count one request of so many images per minute, and no concurrent ones: those that wait as a job take no places.

    Raises AllowanceExceeded, and StateUnavailableError where the store that counts cannot be reached.
    """
    rates = replace(tenant.allowance, concurrent_images=None)
    if not rates.unlimited:
        await asyncio.to_thread(allowances.take, tenant.name, rates, images)


async def _taken(allowances: Allowances, tenant: Tenant, images: int) -> Hold:
    """Return the hold; where the task is cancelled meanwhile, its places are given back."""
    taking = asyncio.create_task(asyncio.to_thread(allowances.take, tenant.name, tenant.allowance, images))
    try:
        return await asyncio.shield(taking)
    except asyncio.CancelledError:
        await asyncio.wait([taking])
        if taking.exception() is None:
            await asyncio.shield(_release(allowances, taking.result()))
        raise


async def _keep(allowances: Allowances, hold: Hold, ended: asyncio.Event) -> None:
    """Renew the places until the request has ended, then give them back, after the last renewal."""
    if not hold.places:
        return
    while not ended.is_set():
        try:
            await asyncio.wait_for(ended.wait(), RENEWED_EVERY_S)
        except TimeoutError:
            # A store that is away may have them back once it is there.
            with suppress(StateUnavailableError):
                await asyncio.to_thread(allowances.renew, hold)
    await _release(allowances, hold)


async def _release(allowances: Allowances, hold: Hold) -> None:
    try:
        await asyncio.to_thread(allowances.release, hold)
    except StateUnavailableError:
        logger.warning(
            "%d places of the tenant %r stay taken for up to %g seconds: the shared state cannot be reached.",
            hold.places,
            hold.tenant,
            HOLD_KEPT_S,
        )
