"""Where jobs are handed in, asked for and given up: what the routes of jobs do.

Entry point: `JobDesk`, one of an app. Its calls raise StateUnavailableError while the store is away.
"""

import asyncio
import hashlib
import json
import math
import time
import uuid
from collections.abc import AsyncIterator

from service.callers import Caller
from service.draining import Draining
from service.errors import JobQueueFullError, ShuttingDownError, StateUnavailableError
from service.generation import Generation
from service.holding import counted
from service.jobs.calls import Calls
from service.jobs.endings import unknown_job, why_not
from service.jobs.following import LAST_ID, Following
from service.jobs.plan import JobPlan
from service.jobs.telling import progress_in
from service.observability.trail import current
from service.serving import RETRY_AFTER_S
from service.state.allowances import Allowances
from service.state.jobs import FIRST, JobRecord, NewJob
from service.state.shared import SharedState
from service.wire.jobs import JobBody, JobResponse, said_of

_CALLS_AT_ONCE = 8


class JobDesk:
    """Jobs of one tenant are nobody else's: what another asks for is unknown."""

    def __init__(
        self, shared: SharedState, allowances: Allowances, draining: Draining, *, max_waiting: int
    ) -> None:
        self._shared, self._allowances, self._draining = shared, allowances, draining
        self._max_waiting = max_waiting
        self._calls = Calls(_CALLS_AT_ONCE)

    async def accept(
        self, body: JobBody, caller: Caller, generation: Generation, key: str | None
    ) -> JobResponse:
        """Plan the images of a request and let them wait for a worker; with the client's `key` they do so once.

        Raises what `Generation.plan` raises, AllowanceExceeded, JobQueueFullError, and ShuttingDownError where the job
        would end with this process.
        """
        if self._draining.has_begun and self._shared.store == "memory":
            raise ShuttingDownError(RETRY_AFTER_S)
        created_s = time.time()
        # A store that hangs adds what it was asked to when it goes on: who asks again with a key asks for the same job.
        await self._calls(self._shared.check)
        id = uuid.uuid4().hex if key is None else _named_by(key, caller, body)
        current().job = id
        if key is not None and await self._calls(self._shared.jobs.find, id) is not None:
            return await self.show(id, caller)
        # Before anything is planned or counted; the store has the last word.
        if await self._calls(self._shared.jobs.waiting) >= self._max_waiting:
            raise JobQueueFullError(self._max_waiting, _room_within_s(generation))
        request = body.request()
        # What cannot be followed takes nothing from the allowance.
        checked = await generation.check(request, caller)
        await counted(self._allowances, caller.tenant, request.num_images)
        planned = (await generation.plan(request, caller, checked)).model_copy(update={"id": id})
        trail = current()
        plan = JobPlan(
            planned=planned,
            preview_every=body.preview_every,
            expires_s=None if request.timeout_s is None else created_s + request.timeout_s,
            request_id=trail.request_id,
            traceparent=trail.span.traceparent,
        )
        new = NewJob(
            id=id,
            tenant=caller.tenant.name,
            key_id=caller.key_id,
            work=plan.to_json(),
            images=len(planned.images),
            created_s=created_s,
        )
        try:
            await self._calls(self._shared.jobs.add, new)
        except Exception as error:
            await generation.settle(planned, None)
            if isinstance(error, JobQueueFullError):
                raise JobQueueFullError(self._max_waiting, _room_within_s(generation)) from error
            raise
        try:
            return await self.show(id, caller)
        except StateUnavailableError:  # it is accepted all the same
            return said_of(_waiting(new), 0.0)

    async def show(self, id: str, caller: Caller) -> JobResponse:
        """Return what is known of a job, with its answer where it is done; raises UnknownJobError."""
        record = await self._record(id, caller)
        if record.state in ("waiting", "running"):
            return said_of(record, await self._progress(record))
        answer = await self._calls(self._shared.jobs.answer, id)
        error = why_not(record, answer)
        progress = 0.0 if error is None else await self._progress(record)
        if record.state == "done" and answer is None:
            raise unknown_job(id)
        return await asyncio.to_thread(said_of, record, progress, answer, error)

    async def cancel(self, id: str, caller: Caller) -> JobResponse:
        """Give up a job that has not ended, and return what is known of it then; raises UnknownJobError.

        Where it is being made its worker hears of it within seconds: until then it runs.
        """
        await self._record(id, caller)
        await self._calls(self._shared.jobs.cancel, id)
        return await self.show(id, caller)

    async def follow(self, id: str, caller: Caller, heard: str | None) -> AsyncIterator[bytes] | None:
        """Return what is told of a job after the place that was heard, encoded; None where that was the last.

        Raises UnknownJobError, and UnknownPlaceError for what is no place.
        """
        await self._record(id, caller)
        if heard == LAST_ID:
            return None
        after = FIRST if heard is None else heard
        await self._calls(self._shared.jobs.told, id, after)
        return Following(self._shared.jobs, self._calls, self._draining, id, after).events()

    def close(self) -> None:
        """Take on no more."""
        self._calls.close()

    async def _record(self, id: str, caller: Caller) -> JobRecord:
        record = await self._calls(self._shared.jobs.find, id)
        if record is None or record.tenant != caller.tenant.name:
            raise unknown_job(id)
        current().job = id
        return record

    async def _progress(self, record: JobRecord) -> float:
        """Return the share of the steps that were taken when that was last told."""
        told = [] if record.state == "waiting" else await self._calls(self._shared.jobs.told, record.id)
        shares = [share for one in reversed(told) if (share := progress_in(one.text)) is not None]
        return shares[0] if shares else 0.0


def _waiting(new: NewJob) -> JobRecord:
    return JobRecord(
        id=new.id,
        tenant=new.tenant,
        key_id=new.key_id,
        images=new.images,
        state="waiting",
        position=None,
        attempts=0,
        created_s=new.created_s,
        reason=None,
    )


def _room_within_s(generation: Generation) -> int:
    """Return when this replica's worker will have taken another job at the latest, in whole seconds.

    Other replicas may be earlier.
    """
    return max(1, math.ceil(generation.loaded.engine.done_within_s()))


def _named_by(key: str, caller: Caller, body: JobBody) -> str:
    """Return the id of the one job that a client asks for with this key and body."""
    asked = json.dumps([caller.tenant.name, key, body.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()[:32]
