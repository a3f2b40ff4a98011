"""POST /hf/text-to-image: what Hugging Face's `InferenceClient(model=URL).text_to_image` asks."""

from functools import partial

from fastapi import APIRouter, Request, Response

from service.answers import encoded_picture, screen_header
from service.dependencies import CallerOf, ClientGone, OnceOf, ServingOf, needs
from service.routes.counted import CountedRoute
from service.wire.huggingface import TextToImageRequest, image_format_of

router = APIRouter(
    prefix="/hf", route_class=CountedRoute, tags=["clients that exist"], dependencies=[needs("generate")]
)


@router.post(
    "/text-to-image",
    response_class=Response,
    responses={200: {"content": {"image/png": {}, "image/jpeg": {}, "image/webp": {}}}},
)
async def text_to_image(
    body: TextToImageRequest,
    request: Request,
    caller: CallerOf,
    serving: ServingOf,
    once: OnceOf,
    gone: ClientGone,
) -> Response:
    """Make one image and return its file, in the format that the client accepts; a blocked one as words on grey."""
    image_format = image_format_of(request.headers.get("accept", ""))
    asked = body.request(image_format)

    async def make() -> Response:
        generated = await serving.generate(asked, caller, gone)
        (made,) = generated.images
        file = await serving.encoded(partial(encoded_picture, made, image_format))
        headers = {
            "X-Trimtab-Id": generated.id,
            "X-Trimtab-Seed": str(made.record.seed),
            **screen_header(generated.images),
        }
        return Response(file, headers=headers, media_type=f"image/{image_format}")

    return await once.answer(make)
