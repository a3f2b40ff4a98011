"""The streams of OpenAI's images API.

Entry points: `OpenAIWords`, and `preview_every`, how often it takes a preview.
"""

import io
import time
from collections import Counter
from collections.abc import Sequence

from PIL import Image
from pydantic import JsonValue

from service.answers import encoded_picture
from service.generated import Generated
from service.happenings import Happening, Previewed
from service.schemas import ErrorDetail, GenerateRequest
from service.wire.event import Event
from service.wire.openai import (
    ImagesRequest,
    error_body,
    in_base64,
    refuse_all_blocked,
    size_of,
    told_of,
    usage,
)

PARTIAL = "image_generation.partial_image"
COMPLETED = "image_generation.completed"
BLOCKED = "image_generation.blocked"
"""Ours: an image of several that has no picture. Where all have none, the stream ends with an error."""


def preview_every(body: ImagesRequest, request: GenerateRequest) -> int | None:
    """Return after how many steps each a preview is due, for the body's partial images to be spread evenly."""
    if not body.partial_images:
        return None
    return max(1, request.num_inference_steps // (body.partial_images + 1))


class OpenAIWords:
    """Tells of one request in OpenAI's events; `image_index`, which OpenAI has not, tells its images apart."""

    def __init__(
        self, body: ImagesRequest, request: GenerateRequest, size: tuple[int, int], prompt_tokens: int
    ) -> None:
        self._body, self._request = body, request
        self._size, self._prompt_tokens = size, prompt_tokens
        self._partial: Counter[int] = Counter()

    def happened(self, happening: Happening) -> Sequence[Event]:
        """Return a partial image for a preview, as many as were asked for, and of other happenings nothing."""
        if not isinstance(happening, Previewed):
            return []
        image, index = happening.image, self._partial[happening.image]
        if index >= (self._body.partial_images or 0) or happening.step >= self._request.num_inference_steps:
            return []
        self._partial[image] += 1
        width, height = self._size
        data: dict[str, JsonValue] = {
            "b64_json": self._file(happening.picture),
            "partial_image_index": index,
            "image_index": image,
        }
        return [self._event(PARTIAL, data, f"{width}x{height}")]

    def made(self, generated: Generated) -> Sequence[Event]:
        """Return an event for every image; raises AllBlockedError where there is no picture at all."""
        refuse_all_blocked(generated)
        events = []
        for number, made in enumerate(generated.images):
            told = {"image_index": number, **told_of(made)}
            if made.image is None:
                events.append(self._event(BLOCKED, told, size_of(made)))
                continue
            file = encoded_picture(made, self._body.format, self._body.compression)
            data = {"b64_json": in_base64(file), "usage": usage(self._prompt_tokens), **told}
            events.append(self._event(COMPLETED, data, size_of(made)))
        return events

    def failed(self, status: int, detail: ErrorDetail) -> Event:
        """Return the error, which the client raises."""
        return Event("error", {"type": "error", **error_body(status, detail)})

    def _event(self, kind: str, data: dict[str, JsonValue], size: str) -> Event:
        about: dict[str, JsonValue] = {
            "type": kind,
            "created_at": int(time.time()),
            "size": size,
            "quality": "auto",
            "background": "opaque",
            "output_format": self._body.format,
        }
        return Event(kind, {**about, **data})

    def _file(self, picture: Image.Image) -> str:
        """Return a preview as large as the image will be: clients lay it into the same place."""
        file = io.BytesIO()
        picture.resize(self._size, Image.Resampling.BICUBIC).save(file, self._body.format)
        return in_base64(file.getvalue())
