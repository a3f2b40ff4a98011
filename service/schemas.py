"""What goes over the wire: requests and answers as pydantic models. No torch.

Entry points: `GenerateRequest`, `GenerateResponse`, and the answers of the other routes.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag

from policies.document import Policy
from policies.screen_rule import Outcome
from service.errors import EmptyPromptError

ImageFormat = Literal["png", "jpeg", "webp"]

PNG_COMPRESSION = 1
"""zlib's level: Pillow's own, 6, makes files a tenth smaller and takes three times as long."""

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


PolicyOrName = Annotated[
    Annotated[str, Tag(POLICY_TAGS[0])] | Annotated[Policy, Tag(POLICY_TAGS[1])],
    Discriminator(_policy_tag),
]

# The limit on the length also makes pydantic refuse what is no valid Unicode.
Prompt = Annotated[str, Field(strict=True, max_length=MAX_PROMPT_CHARACTERS)]
WrittenPrompt = Annotated[Prompt, AfterValidator(_not_blank)]
Positive = Annotated[int, Field(strict=True, ge=1)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
TimeoutS = Annotated[float, Field(strict=True, gt=0, le=7 * 24 * 3600, allow_inf_nan=False)]
Guidance = Annotated[float, Field(strict=True, ge=0, le=50, allow_inf_nan=False)]


class _Wire(BaseModel):
    """Frozen, and unknown keys are refused: a misspelt option must not be ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GenerateRequest(_Wire):
    """What to draw, and under which policy. Upper limits are the service's settings."""

    prompt: WrittenPrompt = Field(examples=["a photo of a doctor"])
    negative_prompt: Prompt = Field(default="", description="What the pictures should not show.")
    num_images: Positive = Field(default=1, description="All in one batch, each with its own draw.")
    seed: Seed | None = Field(
        default=None,
        description="Seed of the first image; image i gets seed + i, modulo 2**63. Default: drawn.",
    )
    num_inference_steps: Positive = 50
    guidance_scale: Guidance = 5.0
    height: Positive | None = Field(default=None, description="In pixels. Default: the model's size.")
    width: Positive | None = Field(default=None, description="In pixels. Default: the model's size.")
    scheduler: str = Field(default="ddim", examples=["ddim", "euler", "dpm++-2m"])
    image_format: ImageFormat = Field(default="png", description="Of the images in a JSON answer.")
    policy: PolicyOrName | None = Field(
        default=None, description="A policy, or the name of a configured one. Default: the default one."
    )
    timeout_s: TimeoutS | None = Field(
        default=None,
        description="Seconds after which the images are of no use, and are given up. Default: the service's, 300; "
        "a job has as long as it takes.",
    )


class AppliedConcept(_Wire):
    """One vector that was added to an image, in which version, how strongly and why."""

    concept: str
    version: int
    digest: str
    strength: float
    reason: str


class AvertedConcept(_Wire):
    """Words that a policy put into an image's negative prompt, and why."""

    concept: str
    words: str
    reason: str


class ScreenAttempt(_Wire):
    """One picture that was made for an image, and the unsafe content found in it."""

    seed: int
    found: tuple[str, ...]


class ScreenResult(_Wire):
    """What became of an image that a detector looked at."""

    outcome: Outcome = Field(
        description="passed; retried: passed at a later attempt; flagged: served with what was found; blocked."
    )
    detector: str
    attempts: tuple[ScreenAttempt, ...] = Field(description="In order; the last is this image.")


class Blocked(_Wire):
    """Why an image has no picture."""

    categories: tuple[str, ...]
    reason: str


class ImageItem(_Wire):
    """One image with its provenance; the same is in the image file's metadata."""

    b64_json: str | None = Field(description="The image file, in base64; null where it is blocked.")
    seed: int
    label: str = Field(description="What was drawn for it, in short, as under it in a grid.")
    applied: tuple[AppliedConcept, ...]
    averted: tuple[AvertedConcept, ...] = Field(description="What the policy put into the negative prompt.")
    screen: ScreenResult | None = Field(description="What the policy's screen found; null without one.")
    blocked: Blocked | None = Field(description="Why there is no picture; null where there is one.")


class Timings(_Wire):
    """Where the time of a request went, in seconds."""

    queue: float = Field(description="Waiting for the engine.")
    generate: float = Field(description="Encoding the prompt, denoising, decoding and screening.")
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
    halves: str = Field(
        description="Rows of a guidance pair it is added to; on both, each may have a map of its own."
    )
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
    floor: Policy | None = Field(description="What holds for every request, under any policy.")
    tenant_floor: Policy | None = Field(description="What holds on top of it for the caller's tenant.")
    concepts: tuple[str, ...] | None = Field(
        description="Those that a policy in a request of the caller's may name; null for all."
    )
    policies: Mapping[str, Policy]


class PlannedConcept(_Wire):
    """One vector that an image would get, how strongly and why."""

    concept: str
    strength: float
    reason: str


class SkippedConcept(_Wire):
    """A concept or concept set that an image would get nothing of, and why."""

    concept: str
    reason: str


class PlannedImage(_Wire):
    """What one image would get."""

    seed: int
    steering: tuple[PlannedConcept, ...]
    averted: tuple[AvertedConcept, ...]
    skipped: tuple[SkippedConcept, ...]
    negative_prompt: str


class PlannedPhrase(_Wire):
    """A responsible phrase of the prompt, and what it asks for."""

    text: str
    reason: str


class PlannedScreen(_Wire):
    """Who would look at the finished pictures."""

    detector: str
    categories: tuple[str, ...] = Field(description="What it would look for.")
    on_finding: str = Field(description="What would follow, in words.")


class ExplainResponse(_Wire):
    """What the images of a request would get, were it made now. Nothing is generated or counted."""

    policy: Policy = Field(description="What would hold: the request's policy with all that the floor holds.")
    policy_digest: str = Field(description="Of the request's policy, without the floor.")
    floor_digest: str | None
    group: str = Field(description="The people of the prompt, by which the ledger counts.")
    phrases: tuple[PlannedPhrase, ...] = Field(
        description="Responsible phrases that were read; none where the policy has them off."
    )
    model_prompt: str = Field(description="The prompt as the model would read it.")
    screen: PlannedScreen | None = Field(
        description="Who would look at the pictures; null where nobody would."
    )
    images: tuple[PlannedImage, ...]


class CatalogueEntry(_Wire):
    """One version of a vector, and what the answering replica does with it."""

    concept: str
    version: int
    state: Literal["served", "superseded", "retired", "unserved"] = Field(
        description="superseded: a later one is served. unserved: the problem says why."
    )
    digest: str | None = Field(description="Of the file; null for one of the configured library.")
    published_s: float | None = Field(description="When, in seconds since 1970; null likewise.")
    problem: str | None


class CatalogueResponse(_Wire):
    """All versions of all vectors."""

    revision: int | None = Field(
        description="The same on two replicas where they know the same; null before the shelf was read."
    )
    vectors: tuple[CatalogueEntry, ...]


class RetiredResponse(_Wire):
    """What was retired."""

    retired: tuple[str, ...] = Field(description="None where all were before.", examples=[["woman@2"]])
    served: str | None = Field(
        description="What new requests get in its place; null where the concept is gone.",
        examples=["woman@1"],
    )


class ReloadedResponse(_Wire):
    """The policies were read again."""

    policies: tuple[str, ...]
    waiting: tuple[str, ...] = Field(description="Other settings that changed: they wait for a restart.")


class HealthResponse(_Wire):
    """The process answers."""

    status: Literal["ok"] = "ok"


class StartupResponse(_Wire):
    """Loading is over."""

    status: Literal["started"] = "started"


class ReadyResponse(_Wire):
    """The model is loaded and every configured policy can be followed.

    Degraded: all but what needs the shared state is served; nothing is gained by sending the requests elsewhere.
    """

    status: Literal["ready", "degraded"]
    model: str
    base_model: str = Field(description="Fingerprint of the model's weights.")
    shared_state: Literal["memory", "redis", "unreachable"] = Field(
        description="Where the state is kept that replicas share: memory is this process alone."
    )


class AdmissionResponse(_Wire):
    """The replica that answers takes a request with this key."""

    key: str | None = Field(description="The key's public id; null where the service has no keys.")
    tenant: str = Field(description="Empty where the service has no keys.")
    roles: tuple[str, ...]


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
