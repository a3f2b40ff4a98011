"""GET /images/{name}: pictures by their addresses, for an hour.

Entry points: `router`, and `address_for`, which gives a picture its address.
"""

import secrets
from collections.abc import Callable

from fastapi import APIRouter, Request, Response

from service.dependencies import SharedStateOf
from service.errors import UnknownPictureError
from service.schemas import ErrorResponse, ImageFormat
from service.state.pictures import PICTURE_KEPT_S, Picture, Pictures

router = APIRouter(prefix="/images", tags=["images"])


@router.get(
    "/{name}",
    response_class=Response,
    responses={
        200: {"content": {"image/png": {}, "image/jpeg": {}, "image/webp": {}}},
        404: {"model": ErrorResponse, "description": "There is none, or not any more."},
    },
)
def show_picture(name: str, shared: SharedStateOf) -> Response:
    """Return a picture that was answered by its address; who knows the address may see it."""
    picture = shared.pictures.get(name)
    if picture is None:
        raise UnknownPictureError(
            f"There is no picture {name!r:.100}, or not any more.",
            field="name",
            value=name,
            cure=f"Addresses hold for {PICTURE_KEPT_S // 60} minutes; ask for the images again.",
        )
    headers = {
        "Cache-Control": f"private, max-age={PICTURE_KEPT_S}, immutable",
        # It is there to be shown on pages of whoever was given its address.
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    return Response(picture.data, headers=headers, media_type=picture.media_type)


def address_for(request: Request, pictures: Pictures, image_format: ImageFormat) -> Callable[[bytes], str]:
    """Return what keeps a picture and gives it an address that cannot be guessed, where this request was sent to.

    It blocks as the store does; raises StateUnavailableError.
    """

    def address_of(file: bytes) -> str:
        name = f"{secrets.token_urlsafe(24)}.{image_format}"
        pictures.put(name, Picture(f"image/{image_format}", file))
        return str(request.url_for("show_picture", name=name))

    return address_of
