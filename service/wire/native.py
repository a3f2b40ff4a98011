"""The service's own wire format, where it goes beyond JSON: the body of POST /generate and its events.

Entry points: `GenerateBody`, `NativeWords`, and `told_event`, one happening as an event.
"""

import base64
import io
from collections.abc import Sequence

from PIL import Image
from pydantic import Field

from service.answers import json_answer
from service.generated import Generated
from service.happenings import Happening, Previewed, Queued, Stepped
from service.schemas import ErrorDetail, GenerateRequest, ImageFormat, Positive
from service.wire.event import Event


class GenerateBody(GenerateRequest):
    """What to draw, and how the client wants to hear of it."""

    stream: bool = Field(
        default=False,
        strict=True,
        description="Answer with server-sent events: queued, step, preview, image, done, error.",
    )
    preview_every: Positive | None = Field(
        default=None, description="With stream: a small picture of every image, each so many steps."
    )

    def request(self) -> GenerateRequest:
        """Return what to draw."""
        return GenerateRequest.model_construct(
            **{field: getattr(self, field) for field in GenerateRequest.model_fields}
        )


class NativeWords:
    """Tells of one request in the service's own events."""

    def __init__(self, image_format: ImageFormat) -> None:
        self._image_format = image_format

    def happened(self, happening: Happening) -> Sequence[Event]:
        """Return the one event of a happening."""
        return [told_event(happening)]

    def made(self, generated: Generated) -> Sequence[Event]:
        """Return an event for every image, and the last one."""
        answer = json_answer(generated, self._image_format).model_dump(mode="json")
        images = [
            Event("image", {"image": number, **item}) for number, item in enumerate(answer.pop("images"))
        ]
        return [*images, Event("done", answer)]

    def failed(self, status: int, detail: ErrorDetail) -> Event:
        """Return the error as every other answer has it, with its status."""
        return Event("error", {"status": status, "error": detail.model_dump(mode="json")})


def told_event(happening: Happening) -> Event:
    """Return what is told of a happening; images go by their numbers in the request, from 0."""
    match happening:
        case Queued(position):
            return Event("queued", {"position": position})
        case Stepped(image, step, steps):
            return Event("step", {"image": image, "step": step, "steps": steps})
        case Previewed(image, step, picture):
            return Event("preview", {"image": image, "step": step, "b64_json": _base64_png(picture)})


def _base64_png(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "png")
    return base64.b64encode(file.getvalue()).decode("ascii")
