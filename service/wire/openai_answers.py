"""What OpenAI's images API answers, as models: what GET /openapi.json says of it, and its errors.

Entry points: `ImagesAnswer`, `ModelCard`, `ModelList`, `OpenAIError`.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.schemas import AppliedConcept, AvertedConcept, Blocked, ImageFormat, ScreenResult


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageData(_Answer):
    """One image, by its file or by its address, with what the service says of it beyond OpenAI's fields."""

    b64_json: str | None = Field(
        default=None, description="The image file, in base64; null where it is blocked."
    )
    url: str | None = Field(default=None, description="Instead of it, where response_format is url.")
    seed: int
    label: str
    applied: tuple[AppliedConcept, ...]
    averted: tuple[AvertedConcept, ...]
    screen: ScreenResult | None
    blocked: Blocked | None


class InputTokens(_Answer):
    """The prompt's tokens by kind."""

    text_tokens: int
    image_tokens: int


class Usage(_Answer):
    """OpenAI's account of tokens."""

    input_tokens: int
    input_tokens_details: InputTokens
    output_tokens: int
    total_tokens: int


class ImagesAnswer(_Answer):
    """The images of one request."""

    id: str
    created: int
    model: str
    data: tuple[ImageData, ...]
    output_format: ImageFormat
    size: str = Field(examples=["64x64"])
    background: Literal["opaque"]
    usage: Usage


class ModelCard(_Answer):
    """One model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["trimtab"] = "trimtab"


class ModelList(_Answer):
    """The models that are loaded: one."""

    object: Literal["list"] = "list"
    data: tuple[ModelCard, ...]


class OpenAIErrorDetail(_Answer):
    """What was wrong; the message says the cure too."""

    message: str
    type: str
    param: str | None
    code: str


class OpenAIError(_Answer):
    """An error as OpenAI's clients read it."""

    error: OpenAIErrorDetail
