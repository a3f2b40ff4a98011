"""The text-to-image task of Hugging Face's `InferenceClient`: request and errors. The answer is the picture's file.

Entry points: `TextToImageRequest`, `image_format_of`, `error_body`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel, ConfigDict, JsonValue

from service.schemas import ErrorDetail, GenerateRequest, ImageFormat, Positive, WrittenPrompt
from service.wire.asked import ClientBody, Drawing, asked

NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "prompt": "inputs",
        **{name: f"parameters.{name}" for name in ("height", "width", *Drawing.model_fields)},
    }
)
"""What the task calls the service's fields."""

SCHEDULERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "DDIMScheduler": "ddim",
        "PNDMScheduler": "pndm",
        "EulerDiscreteScheduler": "euler",
        "EulerAncestralDiscreteScheduler": "euler-ancestral",
        "DPMSolverMultistepScheduler": "dpm++-2m",
        "LCMScheduler": "lcm",
    }
)
"""diffusers' classes, by which endpoints at Hugging Face know schedulers; the service's own names are read too."""

_FORMATS: Final[Mapping[str, ImageFormat]] = MappingProxyType(
    {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/webp": "webp"}
)


class Parameters(Drawing):
    """The client's arguments; `policy` comes in its `extra_body`."""

    height: Positive | None = None
    width: Positive | None = None


class TextToImageRequest(ClientBody):
    """The body of POST /hf/text-to-image."""

    inputs: WrittenPrompt
    parameters: Parameters | None = None

    def request(self, image_format: ImageFormat) -> GenerateRequest:
        """Return what to draw."""
        given = dict(self.parameters or Parameters())
        scheduler = given["scheduler"]
        return asked(
            {
                **given,
                "scheduler": SCHEDULERS.get(scheduler or "", scheduler),
                "prompt": self.inputs,
                "image_format": image_format,
            }
        )


class HuggingFaceError(BaseModel):
    """An error as the client prints it, with the rest beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error: str
    error_type: str
    field: str | None
    value: JsonValue


def image_format_of(accept: str) -> ImageFormat:
    """Return the first format of an Accept header that is made here; PNG where there is none."""
    ranges = (media.partition(";")[0].strip().lower() for media in accept.split(","))
    return next((_FORMATS[media] for media in ranges if media in _FORMATS), "png")


def error_body(_status: int, detail: ErrorDetail) -> dict[str, JsonValue]:
    """Return an error as the client prints it, with the rest beside it."""
    return HuggingFaceError(
        error=f"{detail.message} {detail.cure}",
        error_type=detail.code,
        field=detail.field,
        value=detail.value,
    ).model_dump(mode="json")
