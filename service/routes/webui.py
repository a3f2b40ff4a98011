"""POST /sdapi/v1/txt2img and what clients of Stable Diffusion WebUI ask before it."""

import json

from fastapi import APIRouter, Response

from service.dependencies import CallerOf, ClientGone, OnceOf, ReadyGeneration, ServingOf, needs
from service.routes.counted import CountedRoute
from service.wire.webui import Txt2ImgRequest, checkpoint, samplers, txt2img_answer
from service.wire.webui_answers import Checkpoint, Options, Sampler, Txt2ImgAnswer

router = APIRouter(prefix="/sdapi/v1", tags=["clients that exist"], dependencies=[needs("read")])
images = APIRouter(
    prefix="/sdapi/v1",
    route_class=CountedRoute,
    tags=["clients that exist"],
    dependencies=[needs("generate")],
)


@images.post("/txt2img", response_model=Txt2ImgAnswer)
async def txt2img(
    body: Txt2ImgRequest, caller: CallerOf, serving: ServingOf, once: OnceOf, gone: ClientGone
) -> Response:
    """Make batch_size times n_iter images as WebUI does; `info` names what was asked for and is not done here."""
    asked = body.request()

    async def make() -> Response:
        generated = await serving.generate(asked, caller, gone)
        answer = await serving.encoded(
            lambda: json.dumps(txt2img_answer(generated, body), ensure_ascii=True).encode("ascii")
        )
        return Response(answer, headers={"X-Trimtab-Id": generated.id}, media_type="application/json")

    return await once.answer(make)


@router.get("/samplers")
def list_samplers() -> list[Sampler]:
    """List the samplers by WebUI's names."""
    return samplers()


@router.get("/sd-models")
def list_checkpoints(generation: ReadyGeneration) -> list[Checkpoint]:
    """List the one model that is loaded."""
    loaded = generation.loaded
    return [checkpoint(loaded.name, loaded.model.fingerprint)]


@router.get("/options")
def show_options(generation: ReadyGeneration) -> Options:
    """Show the one option that clients look for: which model is loaded."""
    return Options(sd_model_checkpoint=generation.loaded.name)
