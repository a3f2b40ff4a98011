"""How a job ends, as the store keeps it and as its client is told.

Entry points: `done`, `failed`, `set_aside`, `cancelled`; `why_not`, which reads it back; and `unknown_job`.
"""

from typing import Literal

from service.answers import json_answer
from service.errors import UnknownJobError
from service.generated import Generated
from service.http_errors import detail_of
from service.schemas import ErrorDetail, ImageFormat
from service.state.jobs import Ending, JobRecord

CANCELLED = ErrorDetail(
    code="cancelled",
    message="The job was cancelled.",
    field=None,
    value=None,
    cure="Send it again if its images are wanted after all.",
)


def done(generated: Generated, image_format: ImageFormat) -> Ending:
    """Return the ending with the answer that POST /generate gives; it compresses pictures: not for the event loop."""
    answer = json_answer(generated, image_format)
    return Ending("done", answer.model_dump_json().encode(), None)


def failed(error: Exception) -> Ending:
    """Return the ending of a job whose images cannot be made."""
    return _told("failed", detail_of(error))


def set_aside(error: Exception) -> Ending:
    """Return the ending of a job that is not to be tried again."""
    return _told("set_aside", detail_of(error))


def cancelled() -> Ending:
    """Return the ending of a job whose client gave it up."""
    return _told("cancelled", CANCELLED)


def why_not(record: JobRecord, answer: bytes | None) -> ErrorDetail | None:
    """Return why a job that has ended has no images; None for one that is done or has not ended."""
    if record.state not in ("failed", "cancelled", "set_aside"):
        return None
    if answer:
        return ErrorDetail.model_validate_json(answer)
    if record.state == "cancelled":
        return CANCELLED
    # What the store ended by itself has its reason in words.
    return ErrorDetail(
        code=record.state,
        message=record.reason or "The job was given up.",
        field=None,
        value=None,
        cure="Report it with the job's id: the services' logs say more.",
    )


def unknown_job(id: str) -> UnknownJobError:
    """Return the error for a job of which nothing is known."""
    return UnknownJobError(
        f"There is no job {id!r}: it never was, it ended too long ago, or the state it was kept in is lost.",
        field="id",
        value=id,
        cure="Send it again with POST /jobs.",
    )


def _told(state: Literal["failed", "cancelled", "set_aside"], detail: ErrorDetail) -> Ending:
    return Ending(state, detail.model_dump_json().encode(), f"{detail.message} {detail.cure}")
