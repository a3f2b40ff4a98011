"""POST /generate: images under a policy, as JSON or as one PNG."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from diffusion import GenerationCancelled
from service.answers import json_answer, png_answer, screen_header
from service.dependencies import ClientGone, MetricsOf, ReadyGeneration
from service.generation import Generated
from service.http_errors import code_of
from service.metrics import Metrics
from service.schemas import ErrorResponse, GenerateRequest, GenerateResponse


class CountedRoute(APIRoute):
    """Counts every request with its outcome, those refused before the route function runs included."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with the counting around it."""
        handler = super().get_route_handler()

        async def counted(request: Request) -> Response:
            metrics: Metrics = request.app.state.metrics
            started = time.perf_counter()
            # What ends without an answer, as at a shutdown, was cancelled.
            outcome = "cancelled"
            with metrics.in_flight.track_inprogress():
                try:
                    response = await handler(request)
                    outcome = "ok"
                except Exception as error:
                    outcome = code_of(error)
                    raise
                finally:
                    metrics.count_request(outcome, time.perf_counter() - started)
            return response

        return counted


router = APIRouter(route_class=CountedRoute, tags=["images"])


@router.post(
    "/generate",
    response_model=GenerateResponse,
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        400: {"model": ErrorResponse, "description": "The body is not JSON."},
        413: {"model": ErrorResponse, "description": "The body is too large."},
        422: {"model": ErrorResponse, "description": "The request cannot be followed."},
        503: {"model": ErrorResponse, "description": "The model is not loaded yet; see Retry-After."},
    },
)
async def generate(
    body: GenerateRequest,
    request: Request,
    generation: ReadyGeneration,
    metrics: MetricsOf,
    client_gone: ClientGone,
) -> Response | GenerateResponse:
    """Make images under a policy.

    With `Accept: image/png`, one image comes back as it is and several as a labelled grid, whatever
    `image_format` says. An image that the policy's screen blocks has no picture: null in JSON, words on grey in a grid.
    """
    generated = await _unless(client_gone, generation.generate(body))
    answer: Response | GenerateResponse
    if _accepts_png(request):
        png, timings = await asyncio.to_thread(png_answer, generated)
        headers = {"X-Trimtab-Id": generated.id, **screen_header(generated.images)}
        answer = Response(png, media_type="image/png", headers=headers)
    else:
        answer = await asyncio.to_thread(json_answer, generated, body.image_format)
        timings = answer.timings_s
    metrics.observe_stages(timings.model_dump(exclude={"total"}))
    for made in generated.images:
        metrics.count_image(applied.concept for applied in made.record.applied)
        if made.record.screen is not None:
            metrics.count_screened(made.record.screen.outcome)
    return answer


async def _unless(gone: asyncio.Event, work: Coroutine[Any, Any, Generated]) -> Generated:
    """Return what `work` returns; once the client is gone, cancel it and raise GenerationCancelled."""
    working, leaving = asyncio.create_task(work), asyncio.create_task(gone.wait())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise GenerationCancelled("The client went away.")
        return await working
    finally:
        working.cancel()
        leaving.cancel()


def _accepts_png(request: Request) -> bool:
    ranges = request.headers.get("accept", "").split(",")
    return any(media.partition(";")[0].strip().lower() == "image/png" for media in ranges)
