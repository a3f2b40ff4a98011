"""What goes over the wire of jobs: the body of POST /jobs, what is said of a job, and the events that end one.

Entry points: `JobBody`, `JobResponse`, `said_of`; `answer_events` and `error_event`, which are those of POST /generate.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.schemas import ErrorDetail, GenerateRequest, GenerateResponse, Positive
from service.state.jobs import JobRecord
from service.wire.event import Event


class JobBody(GenerateRequest):
    """What to draw while nobody waits."""

    preview_every: Positive | None = Field(
        default=None, description="Tell of a small picture of every image, each so many steps."
    )

    def request(self) -> GenerateRequest:
        """Return what to draw."""
        return GenerateRequest.model_construct(
            **{field: getattr(self, field) for field in GenerateRequest.model_fields}
        )


class JobResponse(BaseModel):
    """One job as it is now."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    state: Literal["waiting", "running", "done", "failed", "cancelled", "set_aside"]
    created: datetime
    images: int = Field(description="How many were asked for.")
    position: int | None = Field(
        description="Its place among those that wait, from 1; null where it does not."
    )
    attempts: int = Field(description="How often a replica began it.")
    progress: float = Field(description="The share of its steps that are taken, from 0 to 1.")
    answer: GenerateResponse | None = Field(description="What POST /generate answers; null until it is done.")
    error: ErrorDetail | None = Field(description="Why it has ended without an answer.")


def said_of(
    record: JobRecord, progress: float, answer: bytes | None = None, error: ErrorDetail | None = None
) -> JobResponse:
    """Return what is said of a job."""
    is_done = record.state == "done"
    return JobResponse(
        id=record.id,
        state=record.state,
        created=datetime.fromtimestamp(record.created_s, UTC),
        images=record.images,
        position=record.position,
        attempts=record.attempts,
        progress=1.0 if is_done else progress,
        answer=GenerateResponse.model_validate_json(answer) if is_done and answer is not None else None,
        error=error,
    )


def answer_events(answer: bytes) -> Sequence[Event]:
    """Return what ends the telling of a job that is done: its images and "done"."""
    told = json.loads(answer)
    images = [Event("image", {"image": number, **item}) for number, item in enumerate(told.pop("images"))]
    return [*images, Event("done", told)]


def error_event(status: int, error: ErrorDetail) -> Event:
    """Return what ends the telling of another; the status is what POST /generate would have answered."""
    return Event("error", {"status": status, "error": error.model_dump(mode="json")})
