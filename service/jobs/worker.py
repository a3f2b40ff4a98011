"""The worker of one replica: claims jobs while rows are free, keeps its claims, and winds up at shutdown.

Entry point: `Worker.run`, one task of the app.
"""

import asyncio
import logging
import os
import socket
import uuid
from collections.abc import Awaitable, Callable

from service.draining import Draining
from service.errors import ServiceError, StateUnavailableError, UnreadablePlanError
from service.generation import Generation
from service.jobs.calls import Calls, until_back
from service.jobs.places import Places
from service.jobs.plan import JobPlan
from service.jobs.work import Work
from service.metrics import Metrics
from service.observability.logs import FIELDS
from service.observability.tracing import Tracing
from service.state.allowances import Allowances, Hold
from service.state.jobs import CLAIM_KEPT_S, Claim
from service.state.shared import SharedState

logger = logging.getLogger(__name__)

CLAIM_EVERY_S = 0.25
"""How often a worker that has room asks for a job while there is none."""
RENEW_EVERY_S = 2.0
"""How often claims are renewed and running jobs hear that they are cancelled; more often where claims are short."""
RELEASE_WITHIN_S = 5.0
"""How long a shutdown waits for the store to take back what was not finished."""

_CALLS_AT_ONCE = 4


class Worker:
    """Claims one job at a time, as long as the engine has free rows, and works on all it has claimed."""

    def __init__(
        self,
        shared: SharedState,
        ready: Callable[[], Generation],
        metrics: Metrics,
        draining: Draining,
        allowances: Allowances,
        *,
        claim_kept_s: float = CLAIM_KEPT_S,
        tracing: Tracing,
    ) -> None:
        """`ready` returns what makes images, and raises a ServiceError while nothing does."""
        self.name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._shared, self._ready, self._metrics, self._draining = shared, ready, metrics, draining
        self._tracing = tracing
        self._calls = Calls(_CALLS_AT_ONCE)
        self._places = Places(allowances, self._calls)
        self._renew_every_s = min(RENEW_EVERY_S, claim_kept_s / 6)
        self._works: dict[Work, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Work until the replica shuts down; then give what was claimed the grace period, and give back the rest."""
        renewing = asyncio.create_task(self._renew())
        try:
            while not self._draining.has_begun:
                if not await self._goes_on(self._take_one):
                    await self._draining.begins_within(CLAIM_EVERY_S)
            await self._wind_up()
        finally:
            renewing.cancel()
            left = list(self._works.values())
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            self._calls.close()

    async def _take_one(self) -> bool:
        """Claim a job where there is room and one waits; return once its images count as the engine's."""
        generation = self._ready()
        if generation.loaded.engine.free_rows <= 0:
            return False
        await generation.check_log()
        try:
            claims = await self._calls(self._shared.jobs.claim, self.name, passing=self._places.full)
        except StateUnavailableError:
            # A claim that the store answers too late is one that nobody works on, so it is not asked again and again.
            await self._back_or_draining()
            return False
        for claim in claims:
            if any(work.id == claim.id for work in self._works):
                continue  # its claim lapsed while the store was away: it is still being made
            hold = await self._places.take(claim, generation.loaded.policies.tenants)
            if hold is None:
                await self._calls(self._shared.jobs.release, self.name, claim.id)
            else:
                await self._begin(claim, hold, generation)
        return bool(claims)

    async def _back_or_draining(self) -> None:
        """Wait until the store answers again, or the replica shuts down."""
        back = asyncio.create_task(until_back(self._shared, self._calls))
        while not back.done() and not self._draining.has_begun:
            await asyncio.wait({back}, timeout=CLAIM_EVERY_S)
        back.cancel()

    async def _begin(self, claim: Claim, hold: Hold, generation: Generation) -> None:
        fields = {"job": claim.id, "attempt": claim.attempt}
        logger.info("Job %s is claimed, attempt %d.", claim.id, claim.attempt, extra={FIELDS: fields})
        work = Work(claim, self.name, generation, self._shared, self._calls, self._metrics, self._tracing)
        self._works[work] = task = asyncio.create_task(self._work(work, hold))
        task.add_done_callback(lambda _: self._over(work))
        await work.underway()

    async def _work(self, work: Work, hold: Hold) -> None:
        async with self._places.kept(hold):
            await work.run()
            if work.found_no_room:
                self._places.has_no_room(hold.tenant)
                return
        self._places.may_have_room(hold.tenant)

    def _over(self, work: Work) -> None:
        task = self._works.pop(work)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("Job %s failed in an unforeseen way; its claim lapses.", work.id, exc_info=error)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._renew_every_s)
            await self._goes_on(self._keep_claims)
            await self._goes_on(self._settle_unmade)

    async def _goes_on(self, part: Callable[[], Awaitable[bool]]) -> bool:
        """Do a part of the work, and return whether there was any; what fails in it is tried again later."""
        try:
            return await part()
        except ServiceError:  # not ready, or without its store: both pass
            return False
        except Exception:
            logger.exception("The worker failed in an unforeseen way, and goes on.")
            return False

    async def _keep_claims(self) -> bool:
        """Renew the claims, and hear which jobs are cancelled or have another worker."""
        if not self._works:
            return False
        renewed = await self._calls(self._shared.jobs.renew, self.name, [work.id for work in self._works])
        for work in self._works:
            if work.id in renewed.cancelled:
                work.give_up("cancelled")
            elif work.id in renewed.lost:
                logger.warning("Job %s is another worker's now, or nobody's.", work.id)
                work.give_up("lost")
        return True

    async def _settle_unmade(self) -> bool:
        """Give back what was counted for jobs that no worker ended: cancelled while they waited, or set aside."""
        generation = self._ready()
        unmade = await self._calls(self._shared.jobs.unmade)
        for text in unmade:
            try:
                plan = JobPlan.from_json(text)
            except UnreadablePlanError:
                continue
            await generation.settle(plan.planned, None)
        return bool(unmade)

    async def _wind_up(self) -> None:
        """Wait for what is being made until the grace period is over, then give it back.

        In memory jobs end with the process: they are made for as long as somebody can ask for their answers.
        """
        while self._works and not self._draining.is_over:
            if self._shared.store == "memory" and self._draining.has_left:
                break
            await asyncio.wait(self._works.values(), timeout=0.1)
        for work in self._works:
            work.give_up("released")
        if self._works:
            await asyncio.wait(self._works.values(), timeout=RELEASE_WITHIN_S)
