"""Jobs of a single process.

Entry point: `MemoryJobs`.
"""

import itertools
import time
from bisect import insort
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from threading import Condition

from service.errors import JobQueueFullError
from service.state.jobs import (
    FIRST,
    MAX_HAPPENINGS,
    RETRY_AFTER_S,
    Claim,
    Ending,
    JobRecord,
    JobState,
    NewJob,
    Renewed,
    Told,
    check_place,
    set_aside_reason,
)
from service.state.options import StateOptions


@dataclass
class _Job:
    new: NewJob
    number: int
    """In the order they were added."""
    state: JobState = "waiting"
    attempts: int = 0
    worker: str | None = None
    renewed_s: float = 0
    is_cancelled: bool = False
    """While it runs: its worker is to be told."""
    answer: bytes | None = None
    reason: str | None = None
    forgotten_s: float | None = None
    """When it is, once it has ended."""
    told: deque[Told] = field(default_factory=lambda: deque(maxlen=MAX_HAPPENINGS))


class MemoryJobs:
    """A `jobs.Jobs` for the threads of one process."""

    def __init__(
        self, options: StateOptions | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._options = options or StateOptions()
        self._clock = clock
        self._jobs: dict[str, _Job] = {}
        self._waiting: list[tuple[int, str]] = []
        self._running: dict[str, _Job] = {}
        self._unmade: deque[str] = deque()
        self._numbers = itertools.count(1)
        self._places = itertools.count(1)
        self._changed = Condition()

    def add(self, new: NewJob) -> None:
        """Let it wait for a worker; raises JobQueueFullError."""
        with self._changed:
            self._forget_old()
            if new.id in self._jobs:
                return
            if len(self._waiting) >= self._options.max_waiting_jobs:
                raise JobQueueFullError(self._options.max_waiting_jobs, RETRY_AFTER_S)
            job = self._jobs[new.id] = _Job(new, next(self._numbers))
            self._waiting.append((job.number, new.id))

    def claim(self, worker: str, count: int = 1, passing: Collection[str] = ()) -> Sequence[Claim]:
        """Return up to so many jobs to do."""
        with self._changed:
            self._put_abandoned_back()
            line = (self._jobs[id] for _, id in self._waiting)
            chosen = list(itertools.islice((job for job in line if job.new.tenant not in passing), count))
            return [self._begun(job, worker) for job in chosen]

    def renew(self, worker: str, ids: Sequence[str]) -> Renewed:
        """Keep these jobs the worker's for as long again."""
        with self._changed:
            own = {id: job for id in ids if (job := self._own(worker, id))}
            for job in own.values():
                job.renewed_s = self._clock()
            return Renewed(
                lost=frozenset(ids) - own.keys(),
                cancelled=frozenset(id for id, job in own.items() if job.is_cancelled),
            )

    def finish(self, worker: str, id: str, ending: Ending) -> bool:
        """End the job, and return whether that ended it."""
        with self._changed:
            job = self._own(worker, id)
            if job is None:
                return False
            job.answer = ending.answer
            self._end(job, ending.state, ending.reason)
            return True

    def release(self, worker: str, id: str) -> None:
        """Put the job back to the front, this attempt not counted."""
        with self._changed:
            if job := self._own(worker, id):
                job.attempts -= 1
                if job.is_cancelled:
                    self._end_unmade(job, "cancelled", reason=None)
                else:
                    self._put_back(job)

    def tell(self, id: str, happening: str) -> None:
        """Keep what happened."""
        with self._changed:
            if job := self._jobs.get(id):
                job.told.append(Told(str(next(self._places)), happening))
                self._changed.notify_all()

    def told(self, id: str, after: str = FIRST, wait_s: float = 0) -> Sequence[Told]:
        """Return what happened after that place, and wait so long for the first."""
        place = check_place(after)

        def later() -> list[Told]:
            job = self._jobs.get(id)
            return [told for told in job.told if check_place(told.id) > place] if job else []

        with self._changed:
            self._changed.wait_for(lambda: later() or not self._goes_on(id), timeout=wait_s)
            return later()

    def find(self, id: str) -> JobRecord | None:
        """Return what is known of the job."""
        with self._changed:
            self._forget_old()
            job = self._jobs.get(id)
            if job is None:
                return None
            position = self._waiting.index((job.number, id)) + 1 if job.state == "waiting" else None
            return JobRecord(
                id=id,
                tenant=job.new.tenant,
                key_id=job.new.key_id,
                images=job.new.images,
                state=job.state,
                position=position,
                attempts=job.attempts,
                created_s=job.new.created_s,
                reason=job.reason,
            )

    def answer(self, id: str) -> bytes | None:
        """Return the answer that it ended with."""
        with self._changed:
            self._forget_old()
            job = self._jobs.get(id)
            return job.answer if job else None

    def cancel(self, id: str) -> bool:
        """End the job where it waits, or have its worker told."""
        with self._changed:
            job = self._jobs.get(id)
            if job is None:
                return False
            if job.state == "waiting":
                self._waiting.remove((job.number, id))
                self._end_unmade(job, "cancelled", reason=None)
            elif job.state == "running":
                job.is_cancelled = True
            return job.is_cancelled or job.state == "cancelled"

    def unmade(self, count: int = 16) -> Sequence[str]:
        """Return the work of jobs that ended without a worker, each once."""
        with self._changed:
            return [self._unmade.popleft() for _ in range(min(count, len(self._unmade)))]

    def waiting(self) -> int:
        """Return how many jobs wait for a worker."""
        with self._changed:
            return len(self._waiting)

    def _begun(self, job: _Job, worker: str) -> Claim:
        new = job.new
        self._waiting.remove((job.number, new.id))
        self._running[new.id] = job
        job.state, job.worker, job.renewed_s = "running", worker, self._clock()
        job.attempts += 1
        return Claim(new.id, new.tenant, new.work, new.images, job.attempts)

    def _own(self, worker: str, id: str) -> _Job | None:
        job = self._running.get(id)
        return job if job and job.worker == worker else None

    def _goes_on(self, id: str) -> bool:
        return id in self._jobs and self._jobs[id].forgotten_s is None

    def _put_abandoned_back(self) -> None:
        """Let jobs of silent workers wait again, unless they are cancelled or were begun often enough."""
        silent_since_s = self._clock() - self._options.claim_kept_s
        for job in [job for job in self._running.values() if job.renewed_s <= silent_since_s]:
            if job.is_cancelled:
                self._end_unmade(job, "cancelled", reason=None)
            elif job.attempts >= self._options.job_attempts:
                self._end_unmade(job, "set_aside", set_aside_reason(job.attempts))
            else:
                self._put_back(job)

    def _put_back(self, job: _Job) -> None:
        del self._running[job.new.id]
        job.state, job.worker = "waiting", None
        insort(self._waiting, (job.number, job.new.id))

    def _end_unmade(self, job: _Job, state: JobState, reason: str | None) -> None:
        self._end(job, state, reason)
        self._unmade.append(job.new.work)

    def _end(self, job: _Job, state: JobState, reason: str | None) -> None:
        self._running.pop(job.new.id, None)
        job.state, job.worker, job.reason, job.is_cancelled = state, None, reason, False
        job.forgotten_s = self._clock() + self._options.result_kept_s
        self._changed.notify_all()

    def _forget_old(self) -> None:
        now_s = self._clock()
        for id in [
            id for id, job in self._jobs.items() if job.forgotten_s is not None and job.forgotten_s <= now_s
        ]:
            del self._jobs[id]
