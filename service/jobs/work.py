"""One claimed job on its way: read, made, encoded, ended.

Entry point: `Work`. Its ending counts once, whoever else may have had the job: the store says whose it is.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Literal, TypeAlias

from diffusion import EngineFailedError, QueueFullError
from service.errors import (
    AuditUnavailableError,
    OtherModelError,
    ServiceError,
    StateUnavailableError,
    UnreadablePlanError,
)
from service.generated import Generated
from service.generation import Generation
from service.happenings import Happening
from service.jobs import endings
from service.jobs.calls import Calls, until_back
from service.jobs.plan import JobPlan
from service.jobs.telling import Teller
from service.metrics import Metrics
from service.observability.logs import FIELDS
from service.observability.tracing import Tracing
from service.observability.trail import Trail, begin, stage
from service.planned import Planned
from service.serving import count_images
from service.state.jobs import Claim, Ending
from service.state.shared import SharedState

logger = logging.getLogger(__name__)

Fate: TypeAlias = Literal["cancelled", "lost", "released"]
"""Why a job is given up: its client wants it no more, another worker has it, or this replica shuts down."""


@dataclass(frozen=True)
class Outcome:
    """How a job ended, what was planned for it where that can be read, and its images where there are any."""

    ending: Ending
    planned: Planned | None
    generated: Generated | None = None


class Work:
    """Makes the images of one claimed job and ends it, until it is told to give it up."""

    def __init__(
        self,
        claim: Claim,
        worker: str,
        generation: Generation,
        shared: SharedState,
        calls: Calls,
        metrics: Metrics,
        tracing: Tracing,
    ) -> None:
        self.id = claim.id
        self._claim, self._worker, self._generation = claim, worker, generation
        self._shared, self._calls, self._metrics = shared, calls, metrics
        self._tracing = tracing
        self._trail = Trail(job=claim.id, measured=metrics.observe_stage)
        self._teller = Teller(shared.jobs, calls, claim.id)
        self._making: asyncio.Task[Outcome] | None = None
        self._fate: Fate | None = None
        self._is_underway = asyncio.Event()
        self._began_s = time.perf_counter()
        self.found_no_room = False
        """Whether it was given back because the engine's queue was full: trying again at once would be in vain."""

    async def underway(self) -> None:
        """Wait until its images count as the engine's, or it has ended."""
        await self._is_underway.wait()

    def give_up(self, fate: Fate) -> None:
        """Stop making its images; what is made already is told all the same."""
        if self._making is not None and not self._making.done():
            self._fate = fate
            self._making.cancel()

    async def run(self) -> None:
        """Make and end the job; while the store is away its ending waits."""
        begin(self._trail)
        self._making = asyncio.create_task(self._made())
        telling = asyncio.create_task(self._teller.run())
        try:
            await asyncio.wait({self._making})
            # Nothing is told of a job after its ending.
            self._teller.stop()
            await telling
            outcome = await self._outcome(self._making)
            if outcome is None or not await self._recorded(outcome):
                return
            if await self._ended(outcome.ending):
                await self._settle(outcome)
            elif outcome.generated is not None:
                await self._generation.withdraw(outcome.generated, self._claim.attempt)
        finally:
            self._making.cancel()
            telling.cancel()
            self._is_underway.set()
            self._end_span()

    async def _made(self) -> Outcome:
        """Make the job's images.

        Raises EngineFailedError, QueueFullError, StateUnavailableError where a vector cannot be fetched now, and
        AuditUnavailableError: this replica's faults, not the job's.
        """
        planned: Planned | None = None
        try:
            plan = JobPlan.from_json(self._claim.work)
            planned = plan.planned
            self._follow(plan)
            _check_model(planned, self._generation)
            self._teller.images = len(planned.images)
            deadline = plan.deadline()
            if deadline is not None:
                deadline.left_s()
            generated = await self._generation.attempt(planned, self._hear, plan.preview_every, deadline)
            with stage("encode"):
                ending = await asyncio.to_thread(endings.done, generated, planned.request.image_format)
        except (UnreadablePlanError, OtherModelError) as error:
            return Outcome(endings.set_aside(error), planned)
        except (EngineFailedError, StateUnavailableError, AuditUnavailableError):
            raise
        except QueueFullError as error:
            if error.requested <= error.limit:
                raise
            return Outcome(endings.failed(error), planned)
        except Exception as error:
            logger.warning("Job %s fails.", self.id, exc_info=not isinstance(error, ServiceError))
            return Outcome(endings.failed(error), planned)
        return Outcome(ending, planned, generated)

    async def _outcome(self, making: asyncio.Task[Outcome]) -> Outcome | None:
        """Return what became of the making; None where the job is another's to end."""
        if making.cancelled():
            if self._fate == "cancelled":
                return Outcome(endings.cancelled(), JobPlan.from_json(self._claim.work).planned)
            if self._fate == "released":
                await self._release()
            return None
        match making.exception():
            case EngineFailedError() | StateUnavailableError() as error:
                # As if the replica had been killed: the claim lapses, and the attempt counts.
                logger.warning("Job %s is left to be claimed anew: %s", self.id, error)
                return None
            case QueueFullError() | AuditUnavailableError() as error:
                self.found_no_room = isinstance(error, QueueFullError)
                await self._release()
                return None
            case BaseException() as error:
                raise error
        return making.result()

    async def _recorded(self, outcome: Outcome) -> bool:
        """Write the images into the audit log before anyone can have them; where that fails, give the job back."""
        if outcome.generated is None:
            return True
        try:
            await self._generation.record(outcome.generated, self._claim.attempt)
        except AuditUnavailableError as error:
            logger.error("Job %s cannot be handed out: %s", self.id, error.why)
            await self._release()
            return False
        return True

    async def _ended(self, ending: Ending) -> bool:
        """End the job, as soon as the store is there; return whether it was still ours to end."""
        while True:
            try:
                return await self._calls(self._shared.jobs.finish, self._worker, self.id, ending)
            except StateUnavailableError:
                await until_back(self._shared, self._calls)

    async def _release(self) -> None:
        """Give the job back to those who wait, as if it had not been tried; until then its claim may lapse."""
        while True:
            try:
                await self._calls(self._shared.jobs.release, self._worker, self.id)
            except StateUnavailableError:
                logger.warning("Job %s cannot be given back: the shared state is away.", self.id)
                await until_back(self._shared, self._calls)
            else:
                logger.info("Job %s is given back.", self.id)
                return

    async def _settle(self, outcome: Outcome) -> None:
        """Count what was served, and take out of the ledger's counts what was not."""
        trail, seconds = self._trail, time.perf_counter() - self._began_s
        fields = {
            "outcome": outcome.ending.state,
            "duration_s": round(seconds, 4),
            "images": trail.images,
            "policy": trail.policy,
            "prompt": trail.prompt,
        }
        logger.info("Job %s ended: %s.", self.id, outcome.ending.state, extra={FIELDS: fields})
        trail.outcome = outcome.ending.state
        self._metrics.count_job(outcome.ending.state)
        if outcome.generated is not None:
            count_images(self._metrics, outcome.generated)
        if outcome.planned is not None:
            await self._generation.settle(outcome.planned, outcome.generated)

    def _follow(self, plan: JobPlan) -> None:
        """Have the log and the trace of the job tell of the request that posted it."""
        planned, trail = plan.planned, self._trail
        trail.request_id, trail.tenant = plan.request_id, planned.tenant or None
        self._generation.note(planned)
        trail.span = self._tracing.job(plan.traceparent)

    def _end_span(self) -> None:
        trail = self._trail
        known = {
            "trimtab.job": trail.job,
            "trimtab.request_id": trail.request_id,
            "trimtab.rows": trail.images,
            "trimtab.policy": trail.policy,
            "trimtab.outcome": trail.outcome,
        }
        told = {name: value for name, value in known.items() if value is not None}
        trail.span.end(told, failed=trail.outcome == "failed")

    def _hear(self, happening: Happening) -> None:
        self._is_underway.set()
        self._teller.hear(happening)


def _check_model(planned: Planned, generation: Generation) -> None:
    """Refuse a plan for other weights: the same seed and vectors would make other images there, or none."""
    loaded = generation.loaded
    if planned.base_model != loaded.model.fingerprint:
        raise OtherModelError(
            f"The job was planned for the base model {planned.base_model}, and a replica that serves "
            f"{loaded.name} ({loaded.model.fingerprint}) claimed it.",
            value=planned.base_model,
            cure="Send it again; replicas that share one Redis have to serve one model.",
        )
