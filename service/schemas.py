"""What goes over the wire: requests and answers as pydantic models. No torch.

Entry points: `GenerateRequest`, `GenerateResponse`, and the answers of the other routes.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag

from policies.document import Policy
from service.errors import EmptyPromptError

ImageFormat = Literal["png", "jpeg", "webp"]

MAX_PROMPT_CHARACTERS = 2000
"""More than any text encoder reads, and little enough for the 64 KiB of an EXIF record."""

POLICY_TAGS = ("policy-name", "policy-document")
"""How the two forms of a policy are told apart; pydantic puts them into an error's place."""


def _not_blank(prompt: str) -> str:
    if not prompt.strip():
        raise EmptyPromptError("The prompt is empty.", value=prompt, cure="Say what the picture shows.")
    return prompt


def _policy_tag(policy: object) -> str:
    return POLICY_TAGS[0] if isinstance(policy, str) else POLICY_TAGS[1]


# The limit on the length also makes pydantic refuse what is no valid Unicode.
Prompt = Annotated[str, Field(strict=True, max_length=MAX_PROMPT_CHARACTERS)]
Positive = Annotated[int, Field(strict=True, ge=1)]


class _Wire(BaseModel):
    """Frozen, and unknown keys are refused: a misspelt option must not be ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GenerateRequest(_Wire):
    """What to draw, and under which policy. Upper limits are the service's settings."""

    prompt: Annotated[Prompt, AfterValidator(_not_blank)] = Field(examples=["a photo of a doctor"])
    negative_prompt: Prompt = Field(default="", description="What the pictures should not show.")
    num_images: Positive = Field(default=1, description="All in one batch, each with its own draw.")
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**63)] | None = Field(
        default=None,
        description="Seed of the first image; image i gets seed + i, modulo 2**63. Default: drawn.",
    )
    num_inference_steps: Positive = 50
    guidance_scale: Annotated[float, Field(strict=True, ge=0, le=50, allow_inf_nan=False)] = 5.0
    height: Positive | None = Field(default=None, description="In pixels. Default: the model's size.")
    width: Positive | None = Field(default=None, description="In pixels. Default: the model's size.")
    scheduler: str = Field(default="ddim", examples=["ddim", "euler", "dpm++-2m"])
    image_format: ImageFormat = Field(default="png", description="Of the images in a JSON answer.")
    policy: (
        Annotated[
            Annotated[str, Tag(POLICY_TAGS[0])] | Annotated[Policy, Tag(POLICY_TAGS[1])],
            Discriminator(_policy_tag),
        ]
        | None
    ) = Field(
        default=None, description="A policy, or the name of a configured one. Default: the default one."
    )


class AppliedConcept(_Wire):
    """One vector that was added to an image, in which version, how strongly and why."""

    concept: str
    version: int
    digest: str
    strength: float
    reason: str


class ImageItem(_Wire):
    """One image with its provenance; the same is in the image file's metadata."""

    b64_json: str = Field(description="The image file, in base64.")
    seed: int
    applied: tuple[AppliedConcept, ...]


class Timings(_Wire):
    """Where the time of a request went, in seconds."""

    queue: float = Field(description="Waiting for the engine.")
    generate: float = Field(description="Encoding the prompt, denoising and decoding.")
    encode: float = Field(description="Writing the image files.")
    total: float


class GenerateResponse(_Wire):
    """The images of one request."""

    id: str
    model: str
    images: tuple[ImageItem, ...]
    timings_s: Timings


class VectorSummary(_Wire):
    """One vector of the library."""

    concept: str
    version: int
    digest: str
    recommended_strength: float
    base_model: str = Field(description="Fingerprint of the model it was learned on.")
    site: str
    shape: tuple[int, ...] = Field(description="Channels, height, width.")
    halves: str = Field(description="Rows of a guidance pair it is added to.")
    timesteps: tuple[int, int] = Field(description="Half-open range of training timesteps it is added at.")
    norm: float


class VectorDetail(VectorSummary):
    """One vector with how it was learned and what it was measured to do."""

    prompts: Mapping[str, tuple[str, ...]]
    training: Mapping[str, JsonValue]
    effect: Mapping[str, float]


class VectorsResponse(_Wire):
    """The latest version of every vector, and the concept sets a policy can draw from."""

    vectors: tuple[VectorSummary, ...]
    sets: Mapping[str, tuple[str, ...]]


class PoliciesResponse(_Wire):
    """The policies a request can name."""

    default: str
    policies: Mapping[str, Policy]


class HealthResponse(_Wire):
    """The process answers."""

    status: Literal["ok"] = "ok"


class ReadyResponse(_Wire):
    """The model is loaded and every configured policy can be followed."""

    status: Literal["ready"] = "ready"
    model: str
    base_model: str = Field(description="Fingerprint of the model's weights.")


class ErrorDetail(_Wire):
    """What was wrong, where, and what to do about it."""

    code: str = Field(examples=["unknown_concept"])
    message: str
    field: str | None = Field(
        description="Path of the bad field in the request.", examples=["policy.safety.0"]
    )
    value: JsonValue = Field(description="What was given there; shortened where it is long.")
    cure: str


class ErrorResponse(_Wire):
    """The body of every answer that is not a success."""

    error: ErrorDetail
