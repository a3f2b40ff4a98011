"""POST /v1/images/generations and GET /v1/models: what OpenAI's clients ask."""

import asyncio
import json
import time
from collections.abc import Callable
from functools import partial

from fastapi import APIRouter, Request, Response
from pydantic import JsonValue

from policies.errors import choose_from
from service.dependencies import (
    CallerOf,
    ClientGone,
    OnceOf,
    ReadyGeneration,
    ServingOf,
    SharedStateOf,
    needs,
)
from service.errors import UnknownModelError
from service.routes.counted import CountedRoute
from service.routes.event_stream import streamed
from service.routes.pictures import address_for
from service.wire.openai import ImagesRequest, images_answer
from service.wire.openai_answers import ImagesAnswer, ModelCard, ModelList
from service.wire.openai_events import OpenAIWords, preview_every

router = APIRouter(prefix="/v1", tags=["clients that exist"], dependencies=[needs("read")])
images = APIRouter(
    prefix="/v1", route_class=CountedRoute, tags=["clients that exist"], dependencies=[needs("generate")]
)

_STARTED_S = int(time.time())
"""When the model is said to have been created: nothing is known of its making."""


@images.post(
    "/images/generations",
    response_model=ImagesAnswer,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def generate_images(
    body: ImagesRequest,
    request: Request,
    caller: CallerOf,
    serving: ServingOf,
    shared: SharedStateOf,
    once: OnceOf,
    gone: ClientGone,
) -> Response:
    """Make images as OpenAI's images API does; the service's own options stand beside OpenAI's."""
    loaded = serving.generation.loaded
    _check_model(body.model, loaded.name)
    asked = body.request()

    async def make() -> Response:
        # Counting tokens may wait for a prompt that is being encoded: a full queue is told before.
        serving.generation.check_room(asked, caller)
        prompt_tokens = await asyncio.to_thread(loaded.model.count_tokens, asked.prompt)
        if body.stream:
            height, width = loaded.model.default_size
            size = (asked.width or width, asked.height or height)
            words = OpenAIWords(body, asked, size, prompt_tokens)
            return await streamed(serving, asked, caller, gone, words, preview_every(body, asked))
        if body.response_format == "url":
            # Without the store the pictures would have no address.
            await asyncio.to_thread(shared.check)
        generated = await serving.generate(asked, caller, gone)
        answer = partial(
            images_answer,
            generated,
            body,
            prompt_tokens=prompt_tokens,
            created_s=int(time.time()),
            address_of=address_for(request, shared.pictures, body.format),
        )
        written = await serving.encoded(_as_json(answer))
        return Response(written, headers={"X-Trimtab-Id": generated.id}, media_type="application/json")

    return await once.answer(make)


@router.get("/models")
def list_models(generation: ReadyGeneration) -> ModelList:
    """List the one model that is loaded."""
    return ModelList(data=(ModelCard(id=generation.loaded.name, created=_STARTED_S),))


@router.get("/models/{model:path}", responses={404: {"description": "It is not the one that is loaded."}})
def show_model(model: str, generation: ReadyGeneration) -> ModelCard:
    """Show the model that is loaded."""
    _check_model(model, generation.loaded.name)
    return ModelCard(id=model, created=_STARTED_S)


def _check_model(asked: str | None, loaded: str) -> None:
    if asked not in (None, loaded):
        raise UnknownModelError(
            f"The model {asked!r:.100} is not loaded.",
            field="model",
            value=asked,
            cure=choose_from(str(asked), [loaded]),
        )


def _as_json(answer: Callable[[], dict[str, JsonValue]]) -> Callable[[], bytes]:
    return lambda: json.dumps(answer(), ensure_ascii=True).encode("ascii")
