"""Jobs of all replicas on one Redis: a stream that a group of workers reads.

Entry point: `RedisJobs`. `jobs.lua` says what is kept where.
"""

import time
import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from threading import Lock
from typing import Any, Final, cast

from service.errors import JobQueueFullError, StateUnavailableError
from service.state.jobs import (
    FIRST,
    MAX_HAPPENINGS,
    RETRY_AFTER_S,
    Claim,
    Ending,
    JobRecord,
    NewJob,
    Renewed,
    Told,
    check_place,
    set_aside_reason,
)
from service.state.options import StateOptions
from service.state.redis_client import KEY_PREFIX, AtomicStep, RedisClient, reached

_STREAM: Final = f"{KEY_PREFIX}jobs"
_WAITING: Final = f"{KEY_PREFIX}jobs:waiting"
_ADDED: Final = f"{KEY_PREFIX}jobs:added"
_UNMADE: Final = f"{KEY_PREFIX}jobs:unmade"
_HEARD: Final = f"{KEY_PREFIX}jobs:heard"
_GRACE: Final = f"{KEY_PREFIX}jobs:grace"
_RECORD_FIELDS: Final = ("tenant", "key_id", "images", "state", "attempts", "created_s", "reason")


class RedisJobs:
    """A `jobs.Jobs` in Redis.

    Calls that claim have numbers, and calls that end a job have names, so that one whose answer was lost is undone or
    answered again by the next, and one that Redis carries out late, with nobody listening, gives nothing away.
    """

    def __init__(self, client: RedisClient, options: StateOptions | None = None) -> None:
        self._client = client
        self._options = options or StateOptions()
        self._result_kept_ms = round(self._options.result_kept_s * 1000)
        self._name = uuid.uuid4().hex
        self._lock = Lock()
        self._calls = 0
        self._lost_calls: defaultdict[str, set[int]] = defaultdict(set)
        self._unanswered_endings: dict[tuple[str, str], str] = {}
        self._add = self._step("job_add", durable=True)
        self._claim = self._step("job_claim")
        self._renew = self._step("job_renew")
        self._finish = self._step("job_finish", durable=True)
        self._release = self._step("job_release")
        self._cancel = self._step("job_cancel", durable=True)
        self._tell = self._step("job_tell")
        self._told = self._step("job_told")

    def _step(self, name: str, *, durable: bool = False) -> AtomicStep:
        return self._client.step("jobs", name, durable=durable)

    def add(self, new: NewJob) -> None:
        """Let it wait for a worker; raises JobQueueFullError."""
        fields: dict[str, str | float] = {
            "tenant": new.tenant,
            "work": new.work,
            "images": new.images,
            "created_s": repr(new.created_s),
        }
        if new.key_id is not None:
            fields["key_id"] = new.key_id
        max_waiting = self._options.max_waiting_jobs
        values = [value for field in fields.items() for value in field]
        if not self._add([_STREAM, _WAITING, _ADDED], [KEY_PREFIX, max_waiting, new.id, *values]):
            raise JobQueueFullError(max_waiting, RETRY_AFTER_S)

    def claim(self, worker: str, count: int = 1, passing: Collection[str] = ()) -> Sequence[Claim]:
        """Return up to so many jobs to do. What an earlier call gave whose answer was lost is put back first.

        Where no worker was heard for half of CLAIM_KEPT_S, nothing counts as abandoned for as long again.
        """
        with self._lock:
            self._calls += 1
            call, lost = self._calls, sorted(self._lost_calls[worker])
        options = self._options
        try:
            claims = self._claim(
                [_STREAM, _WAITING, f"{KEY_PREFIX}call:{self._name}:{worker}", _HEARD, _GRACE],
                [
                    *(KEY_PREFIX, worker, count, call, round(options.claim_kept_s * 1000)),
                    *(self._result_kept_ms, options.job_attempts, set_aside_reason(options.job_attempts)),
                    len(passing),
                    *passing,
                    *lost,
                ],
            )
        except StateUnavailableError:
            with self._lock:
                self._lost_calls[worker].add(call)
            raise
        with self._lock:
            self._lost_calls[worker].difference_update(lost)
        return [Claim(id, tenant, work, int(images), attempt) for id, tenant, work, images, attempt in claims]

    def renew(self, worker: str, ids: Sequence[str]) -> Renewed:
        """Keep these jobs the worker's for as long again."""
        lost, cancelled = self._renew([_STREAM, _WAITING, _HEARD], [KEY_PREFIX, worker, *ids])
        return Renewed(frozenset(lost), frozenset(cancelled))

    def finish(self, worker: str, id: str, ending: Ending) -> bool:
        """End the job, and return whether that ended it; after an error, whether that call did or this one."""
        with self._lock:
            name = self._unanswered_endings.setdefault((worker, id), uuid.uuid4().hex)
        has_ended = self._finish(
            [_STREAM, _WAITING],
            [
                *(KEY_PREFIX, worker, id, name, self._result_kept_ms),
                *(ending.state, ending.reason or "", ending.answer),
            ],
        )
        with self._lock:
            self._unanswered_endings.pop((worker, id), None)
        return bool(has_ended)

    def release(self, worker: str, id: str) -> None:
        """Put the job back to the front, this attempt not counted."""
        self._release([_STREAM, _WAITING], [KEY_PREFIX, worker, id, self._result_kept_ms])

    def tell(self, id: str, happening: str) -> None:
        """Keep what happened."""
        self._tell([_STREAM, _WAITING], [KEY_PREFIX, id, happening, MAX_HAPPENINGS])

    def told(self, id: str, after: str = FIRST, wait_s: float = 0) -> Sequence[Told]:
        """Return what happened after that place, and wait so long for the first, with a connection of its own."""
        first, second = check_place(after)
        place = f"{first}-{second}"
        until_s = time.monotonic() + wait_s
        while True:
            goes_on, entries = self._told([_STREAM, _WAITING], [KEY_PREFIX, id, place])
            block_s = min(until_s - time.monotonic(), self._client.block_s)
            if entries or not goes_on or block_s <= 0:
                return _happenings(entries)
            self._wait(id, place, block_s)

    def find(self, id: str) -> JobRecord | None:
        """Return what is known of the job."""
        with reached(), self._client.commands.pipeline() as pipeline:
            pipeline.hmget(_job_key(id), _RECORD_FIELDS)
            pipeline.zrank(_WAITING, id)
            values, rank = pipeline.execute()
        tenant, key_id, images, state, attempts, created_s, reason = values
        if state is None:
            return None
        return JobRecord(
            id=id,
            tenant=tenant,
            key_id=key_id,
            images=int(images),
            state=state,
            position=None if rank is None else rank + 1,
            attempts=int(attempts),
            created_s=float(created_s),
            reason=reason,
        )

    def answer(self, id: str) -> bytes | None:
        """Return the answer that it ended with."""
        return self._client.bytes_of("HGET", _job_key(id), "answer")

    def cancel(self, id: str) -> bool:
        """End the job where it waits, or have its worker told."""
        return bool(self._cancel([_STREAM, _WAITING], [KEY_PREFIX, id, self._result_kept_ms]))

    def unmade(self, count: int = 16) -> Sequence[str]:
        """Return the work of jobs that ended without a worker, each once."""
        with reached():
            return cast(list[str] | None, self._client.commands.lpop(_UNMADE, count)) or []

    def waiting(self) -> int:
        """Return how many jobs wait for a worker."""
        with reached():
            return self._client.commands.zcard(_WAITING)

    def _wait(self, id: str, place: str, block_s: float) -> None:
        """Wait until the job tells something after that place or ends."""
        with reached():
            self._client.waiting.xread({f"{KEY_PREFIX}told:{id}": place}, 1, max(1, round(block_s * 1000)))


def _happenings(entries: Sequence[Any]) -> list[Told]:
    """What was told; not that it ended, which is kept among it to wake those who wait."""
    told = [(id, dict(zip(fields[::2], fields[1::2], strict=True))) for id, fields in entries]
    return [Told(id, fields["text"]) for id, fields in told if "text" in fields]


def _job_key(id: str) -> str:
    return f"{KEY_PREFIX}job:{id}"
