"""OpenAI's images API, as the `openai` client speaks it: request, answer, models, errors.

Entry points: `ImagesRequest`, `images_answer`, `error_body`. What the service has beyond it, seeds and vectors, stands
beside OpenAI's fields. `openai_answers` has the answers as models, `openai_events` the streams.
"""

import base64
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, JsonValue, model_validator

from service.answers import blocked_in, encoded_picture
from service.errors import AllBlockedError, ConflictingOptionsError
from service.generated import Generated, ProvenImage
from service.schemas import ErrorDetail, GenerateRequest, ImageFormat, Positive, WrittenPrompt
from service.wire.asked import Drawing, asked, picture_size
from service.wire.openai_answers import OpenAIError, OpenAIErrorDetail

NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {"num_images": "n", "height": "size", "width": "size", "image_format": "output_format"}
)
"""What the API calls the service's fields."""

_TYPES: Final[Mapping[int, str]] = MappingProxyType(
    {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
)


def _is_size(text: str) -> str:
    picture_size(text)
    return text


class ImagesRequest(Drawing):
    """The body of POST /v1/images/generations; what is inherited is the service's own (extra_body)."""

    prompt: WrittenPrompt
    model: str | None = Field(default=None, description="The loaded model's name, or nothing.")
    n: Positive | None = None
    size: Annotated[str, AfterValidator(_is_size)] | None = Field(
        default=None, description="Width x height, such as 512x768; auto is the model's own."
    )
    response_format: Literal["b64_json", "url"] | None = None
    output_format: ImageFormat | None = None
    output_compression: Annotated[int, Field(strict=True, ge=0, le=100)] | None = Field(
        default=None, description="Quality of JPEG and WebP; WebP is lossless without it."
    )
    stream: Annotated[bool, Field(strict=True)] | None = None
    partial_images: Annotated[int, Field(strict=True, ge=0, le=3)] | None = None

    background: Literal["auto", "opaque"] | None = Field(default=None, description="Every picture is opaque.")
    quality: str | None = Field(default=None, description="Ignored: num_inference_steps says it.")
    style: str | None = Field(default=None, description="Ignored: the prompt says it.")
    moderation: str | None = Field(default=None, description="Ignored: the policy says it.")
    user: str | None = Field(default=None, description="Ignored.")
    safety_identifier: str | None = Field(default=None, description="Ignored.")

    @model_validator(mode="after")
    def _options_go_together(self) -> "ImagesRequest":
        if self.output_compression not in (None, 100) and self.format == "png":
            raise ConflictingOptionsError(
                "A PNG is lossless.",
                field="output_compression",
                value=self.output_compression,
                cure="Ask for output_format jpeg or webp, or leave output_compression out.",
            )
        if self.stream and self.response_format == "url":
            raise ConflictingOptionsError(
                "A stream carries the pictures themselves.",
                field="response_format",
                value="url",
                cure="Leave response_format out, or stream.",
            )
        return self

    @property
    def format(self) -> ImageFormat:
        """What the pictures are written as."""
        return self.output_format or "png"

    @property
    def compression(self) -> int | None:
        """The quality that the pictures are written in; None for the format's best."""
        return None if self.format == "png" else self.output_compression

    def request(self) -> GenerateRequest:
        """Return what to draw."""
        size = None if self.size is None else picture_size(self.size)
        return asked(
            {
                **self.drawing,
                "prompt": self.prompt,
                "num_images": self.n,
                "width": size and size[0],
                "height": size and size[1],
                "image_format": self.format,
            }
        )


def images_answer(
    generated: Generated,
    body: ImagesRequest,
    *,
    prompt_tokens: int,
    created_s: int,
    address_of: Callable[[bytes], str],
) -> dict[str, JsonValue]:
    """Return the images, in base64 or, where the body asks for it, by the address that `address_of` gives a file.

    A blocked image has null in its place, and why beside it; raises AllBlockedError where there is no other.
    """
    refuse_all_blocked(generated)

    def item(made: ProvenImage) -> dict[str, JsonValue]:
        told = told_of(made)
        kind, carried = ("url", address_of) if body.response_format == "url" else ("b64_json", in_base64)
        if made.image is None:
            return {kind: None, **told}
        return {kind: carried(encoded_picture(made, body.format, body.compression)), **told}

    return {
        "id": generated.id,
        "created": created_s,
        "model": generated.model,
        "data": [item(made) for made in generated.images],
        "output_format": body.format,
        "size": size_of(generated.images[0]),
        "background": "opaque",
        "usage": usage(prompt_tokens),
    }


def refuse_all_blocked(generated: Generated) -> None:
    """Raise AllBlockedError where no image has a picture."""
    if any(made.image is not None for made in generated.images):
        return
    reasons = [blocked.reason for made in generated.images if (blocked := blocked_in(made)) is not None]
    raise AllBlockedError(reasons[0], field="prompt", cure="Ask for something else, or under another policy.")


def told_of(made: ProvenImage) -> dict[str, JsonValue]:
    """Return what the service says of an image beyond OpenAI's fields."""
    blocked = blocked_in(made)
    said: dict[str, Any] = made.record.model_dump(
        mode="json", include={"seed", "applied", "averted", "screen"}
    )
    return {
        **said,
        "label": made.label,
        "blocked": None if blocked is None else blocked.model_dump(mode="json"),
    }


def size_of(made: ProvenImage) -> str:
    """Return an image's size as OpenAI writes it."""
    return f"{made.record.width}x{made.record.height}"


def usage(prompt_tokens: int) -> dict[str, JsonValue]:
    """Return OpenAI's account of tokens: the prompt's. An image costs steps here, which have no place in it."""
    return {
        "input_tokens": prompt_tokens,
        "input_tokens_details": {"text_tokens": prompt_tokens, "image_tokens": 0},
        "output_tokens": 0,
        "total_tokens": prompt_tokens,
    }


def in_base64(file: bytes) -> str:
    """Return a file in base64."""
    return base64.b64encode(file).decode("ascii")


def error_body(status: int, detail: ErrorDetail) -> dict[str, JsonValue]:
    """Return an error as OpenAI's clients read it."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    said = OpenAIErrorDetail(
        message=f"{detail.message} {detail.cure}", type=kind, param=detail.field, code=detail.code
    )
    return OpenAIError(error=said).model_dump(mode="json")
