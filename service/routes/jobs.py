"""POST /jobs, GET and DELETE /jobs/{id}, GET /jobs/{id}/events: images that nobody waits for.

While the state that replicas share is away every one of them is answered 503 with Retry-After.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse

from service.dependencies import CallerOf, JobDeskOf, OnceOf, ReadyGeneration, needs
from service.schemas import ErrorResponse
from service.wire.jobs import JobBody, JobResponse

router = APIRouter(
    prefix="/jobs",
    tags=["jobs"],
    dependencies=[needs("generate")],
    responses={503: {"model": ErrorResponse, "description": "The shared state is away; see Retry-After."}},
)

_UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorResponse, "description": "There is no such job, or not any more."}
}


@router.post(
    "",
    status_code=202,
    response_model=JobResponse,
    responses={
        409: {"model": ErrorResponse, "description": "The same request is being accepted; see Retry-After."},
        422: {"model": ErrorResponse, "description": "The request cannot be followed."},
        429: {"model": ErrorResponse, "description": "Too many jobs wait; see Retry-After."},
    },
)
async def accept_job(
    body: JobBody,
    caller: CallerOf,
    generation: ReadyGeneration,
    desk: JobDeskOf,
    once: OnceOf,
    idempotency_key: Annotated[str | None, Header(description="Sent twice, it is one job.")] = None,
) -> Response:
    """Accept images to be made when there is room, by any replica; what each of them gets is decided now."""

    async def accept() -> Response:
        job = await desk.accept(body, caller, generation, idempotency_key)
        headers = {"Location": f"/jobs/{job.id}"}
        return Response(job.model_dump_json(), 202, headers, media_type="application/json")

    return await once.answer(accept)


@router.get("/{id}", responses=_UNKNOWN)
async def show_job(id: str, caller: CallerOf, desk: JobDeskOf) -> JobResponse:
    """Say how a job stands, with its images once it is done."""
    return await desk.show(id, caller)


@router.delete("/{id}", responses=_UNKNOWN)
async def cancel_job(id: str, caller: CallerOf, desk: JobDeskOf) -> JobResponse:
    """Give a job up. What is being made stops within seconds; what has ended stays as it is."""
    return await desk.cancel(id, caller)


@router.get(
    "/{id}/events",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {}}},
        204: {"description": "The last event has been heard."},
        **_UNKNOWN,
    },
)
async def follow_job(
    id: str,
    caller: CallerOf,
    desk: JobDeskOf,
    last_event_id: Annotated[str | None, Header(description="The last event that was heard.")] = None,
) -> Response:
    """Tell what happens to a job as server-sent events: queued, step, preview, and last image and done, or error."""
    events = await desk.follow(id, caller, last_event_id)
    if events is None:
        return Response(status_code=204)
    # Nginx would hold events back until there are some kilobytes of them.
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)
