"""Jobs: work that any replica accepts and any replica does, and that ends once.

Entry points: `Jobs` (the interface of the stores that keep them), and what goes in and out.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

from service.errors import UnknownPlaceError

CLAIM_KEPT_S: Final = 30.0
"""A job is its worker's for this long after it was last renewed; renew it six times as often.

It outlasts a store that stands still for 20 seconds.
"""

RESULT_KEPT_S: Final = 3600.0
"""What is known of a job that has ended is kept for this long."""

MAX_HAPPENINGS: Final = 500
"""The latest that are kept of a job."""

FIRST: Final = "0"
"""The place before a job's first happening."""

RETRY_AFTER_S: Final = 10
"""When to try again where too many jobs wait."""

# Places are those of Redis: one or two numbers of 64 bits.
_PLACE = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?")

EndState: TypeAlias = Literal["done", "failed", "cancelled", "set_aside"]
JobState: TypeAlias = Literal["waiting", "running", "done", "failed", "cancelled", "set_aside"]


@dataclass(frozen=True)
class NewJob:
    """A job as it is accepted."""

    id: str
    tenant: str
    key_id: str | None
    work: str
    """All that doing it takes."""
    images: int
    created_s: float
    """When, in seconds since 1970."""


@dataclass(frozen=True)
class Claim:
    """A job that is a worker's to do."""

    id: str
    tenant: str
    work: str
    images: int
    attempt: int
    """Which it is, from 1."""


@dataclass(frozen=True)
class Renewed:
    """What a worker hears of its jobs."""

    lost: frozenset[str]
    """No longer its own: to be dropped without an ending."""
    cancelled: frozenset[str]
    """To be ended as cancelled."""


@dataclass(frozen=True)
class Ending:
    """How a job ended."""

    state: EndState
    answer: bytes
    reason: str | None = None
    """Why it is not done."""


@dataclass(frozen=True)
class Told:
    """One happening of a job, with its place among the others."""

    id: str
    text: str


@dataclass(frozen=True)
class JobRecord:
    """What is known of a job."""

    id: str
    tenant: str
    key_id: str | None
    images: int
    state: JobState
    position: int | None
    """Its place among those that wait, from 1; None where it does not wait."""
    attempts: int
    """How often a worker began it."""
    created_s: float
    reason: str | None
    """Why it is not done, where it ended so."""


class Jobs(Protocol):
    """Keeps jobs for the threads of all replicas. A worker's name is one process's, and never used again.

    A call that raised StateUnavailableError may have been carried out all the same; each can be repeated.
    """

    def add(self, new: NewJob) -> None:
        """Let it wait for a worker; raises JobQueueFullError where as many wait as may. Its id is added once."""
        ...

    def claim(self, worker: str, count: int = 1, passing: Collection[str] = ()) -> Sequence[Claim]:
        """Return up to so many jobs to do: released and abandoned ones first, then in the order they were added.

        Those of the tenants in `passing` are passed over, and keep their places.
        A job is abandoned once its worker has not renewed it for CLAIM_KEPT_S. One that was begun too often without
        an ending is set aside instead of returned. A worker that hears again of a job it still does goes on with it.
        """
        ...

    def renew(self, worker: str, ids: Sequence[str]) -> Renewed:
        """Keep these jobs the worker's for another CLAIM_KEPT_S."""
        ...

    def finish(self, worker: str, id: str, ending: Ending) -> bool:
        """End the job, and return whether that ended it: False where it is no longer this worker's, or has ended."""
        ...

    def release(self, worker: str, id: str) -> None:
        """Put the job back to the front, this attempt not counted; nothing happens where it is not this worker's.

        One that was to be cancelled meanwhile ends so.
        """
        ...

    def tell(self, id: str, happening: str) -> None:
        """Keep what happened, as long as the job is; the latest MAX_HAPPENINGS are kept, none of an unknown job."""
        ...

    def told(self, id: str, after: str = FIRST, wait_s: float = 0) -> Sequence[Told]:
        """Return what happened after that place, and wait so long for the first.

        Where nothing more will be told, because the job has ended or is unknown, it does not wait. Raises
        UnknownPlaceError for what cannot be a place.
        """
        ...

    def find(self, id: str) -> JobRecord | None:
        """Return what is known of the job; None where it is unknown, or ended too long ago."""
        ...

    def answer(self, id: str) -> bytes | None:
        """Return the answer that it ended with; None where it has none."""
        ...

    def cancel(self, id: str) -> bool:
        """End the job where it waits, or have its worker told; False where it is unknown or ended otherwise."""
        ...

    def unmade(self, count: int = 16) -> Sequence[str]:
        """Return the work of jobs that ended without a worker, cancelled or set aside: each is returned once.

        Whoever asks gives back what was counted for them.
        """
        ...

    def waiting(self) -> int:
        """Return how many jobs wait for a worker."""
        ...


def check_place(text: str) -> tuple[int, int]:
    """Return the place among happenings that `text` is, to be compared; raises UnknownPlaceError for what is none."""
    place = _PLACE.fullmatch(text)
    if place is None:
        raise UnknownPlaceError(
            f"A job's happenings have no place {text!r:.60}.",
            value=text,
            cure=f"Give the id of one of them as it was sent, or {FIRST!r} for all.",
        )
    return int(place[1]), int(place[2] or 0)


def set_aside_reason(attempts: int) -> str:
    """Return why a job is set aside that so many workers have begun."""
    return f"It was begun {attempts} times, and each time its worker fell silent before it was finished."
