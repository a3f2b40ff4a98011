"""POST /generate: images under a policy, as JSON, as one PNG or as a stream of events."""

from functools import partial

from fastapi import APIRouter, Request, Response

from service.answers import json_answer, png_answer, screen_header
from service.dependencies import CallerOf, ClientGone, OnceOf, ServingOf, needs
from service.routes.counted import CountedRoute
from service.routes.event_stream import streamed
from service.schemas import ErrorResponse, GenerateResponse
from service.wire.native import GenerateBody, NativeWords

router = APIRouter(route_class=CountedRoute, tags=["images"], dependencies=[needs("generate")])


@router.post(
    "/generate",
    response_model=GenerateResponse,
    responses={
        200: {
            "content": {
                "image/png": {"schema": {"type": "string", "format": "binary"}},
                "text/event-stream": {},
            }
        },
        400: {"model": ErrorResponse, "description": "The body is not JSON."},
        408: {"model": ErrorResponse, "description": "The body has not come in in time."},
        409: {"model": ErrorResponse, "description": "The same request is being answered; see Retry-After."},
        413: {"model": ErrorResponse, "description": "The body is too large."},
        422: {"model": ErrorResponse, "description": "The request cannot be followed."},
        429: {
            "model": ErrorResponse,
            "description": "Too many images wait, or the tenant has used up what it may.",
        },
        503: {"model": ErrorResponse, "description": "Not loaded yet, or shutting down; see Retry-After."},
        504: {"model": ErrorResponse, "description": "The images were not made within timeout_s."},
    },
)
async def generate(
    body: GenerateBody,
    request: Request,
    caller: CallerOf,
    serving: ServingOf,
    once: OnceOf,
    gone: ClientGone,
) -> Response:
    """Make images under a policy.

    With `stream` what happens is told in server-sent events. With `Accept: image/png`, one image comes back as it is
    and several as a labelled grid, whatever `image_format` says. An image that the policy's screen blocks has no
    picture: null in JSON, words on grey in a grid. A request with an `Idempotency-Key` is made once.
    """
    asked = body.request()

    async def make() -> Response:
        if body.stream:
            words = NativeWords(asked.image_format)
            return await streamed(serving, asked, caller, gone, words, body.preview_every)
        generated = await serving.generate(asked, caller, gone)
        headers = {"X-Trimtab-Id": generated.id}
        if _accepts_png(request):
            png = await serving.encoded(partial(png_answer, generated))
            return Response(
                png, headers={**headers, **screen_header(generated.images)}, media_type="image/png"
            )
        answer = await serving.encoded(
            lambda: json_answer(generated, asked.image_format).model_dump_json().encode()
        )
        return Response(answer, headers=headers, media_type="application/json")

    return await once.answer(make)


def _accepts_png(request: Request) -> bool:
    ranges = request.headers.get("accept", "").split(",")
    return any(media.partition(";")[0].strip().lower() == "image/png" for media in ranges)
