"""Following a job: what is told of it, as server-sent events, until it has ended.

Entry points: `Following`, `LAST_ID`.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence

from fastapi.sse import format_sse_event

from service.draining import Draining
from service.errors import StateUnavailableError
from service.http_errors import detail_of, status_of
from service.jobs.calls import Calls
from service.jobs.endings import unknown_job, why_not
from service.schemas import ErrorDetail
from service.state.jobs import JobRecord, Jobs
from service.wire.event import Event
from service.wire.jobs import answer_events, error_event

LAST_ID = "last"
"""The id of a job's last event: who has heard it is told no more."""

ASK_EVERY_S = 0.3
SILENCE_S = 15.0
"""Proxies close connections on which nothing is sent for long, many after a minute."""

_KEEP_ALIVE = b": nothing new\n\n"


class Following:
    """One client that follows one job."""

    def __init__(self, jobs: Jobs, calls: Calls, draining: Draining, id: str, after: str) -> None:
        """`after` is the place that it has heard."""
        self._jobs, self._calls, self._draining = jobs, calls, draining
        self._id, self._after = id, after
        self._position: int | None = None

    async def events(self) -> AsyncIterator[bytes]:
        """Yield what is told, encoded, until the job has ended or this replica listens no more.

        While the store is away it waits: whoever follows need not know.
        """
        said_s = time.monotonic()
        while not self._draining.has_left:
            try:
                told, is_last = await self._news()
            except StateUnavailableError:
                told, is_last = [], False
            for event in told:
                said_s = time.monotonic()
                yield event
            if is_last:
                return
            if time.monotonic() - said_s > SILENCE_S:
                said_s = time.monotonic()
                yield _KEEP_ALIVE
            await self._draining.leaves_within(ASK_EVERY_S)

    async def _news(self) -> tuple[list[bytes], bool]:
        """Return what is new, and whether that was the last."""
        # Asked for first: nothing is told of a job once it has ended.
        record = await self._calls(self._jobs.find, self._id)
        told = await self._calls(self._jobs.told, self._id, self._after)
        news = []
        for one in told:
            said = json.loads(one.text)
            news.append(format_sse_event(event=said.pop("event"), data_str=json.dumps(said), id=one.id))
            self._after = one.id
        if record is None:
            return [*news, *_lasting([_failed(detail_of(unknown_job(self._id)))])], True
        if record.state == "waiting" and record.position != self._position:
            self._position = record.position
            news.append(Event("queued", {"position": record.position}).encoded())
        if record.state in ("waiting", "running"):
            return news, False
        return [*news, *await self._ending(record)], True

    async def _ending(self, record: JobRecord) -> list[bytes]:
        answer = await self._calls(self._jobs.answer, self._id)
        if record.state == "done" and answer is not None:
            return await asyncio.to_thread(lambda: _lasting(answer_events(answer)))
        return _lasting([_failed(why_not(record, answer) or detail_of(unknown_job(self._id)))])


def _failed(error: ErrorDetail) -> Event:
    return error_event(status_of(error.code), error)


def _lasting(events: Sequence[Event]) -> list[bytes]:
    *before, last = events
    return [
        *(event.encoded() for event in before),
        format_sse_event(event=last.name, data_str=json.dumps(last.data), id=LAST_ID),
    ]
