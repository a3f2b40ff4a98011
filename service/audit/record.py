"""What the log says: of an image, of images that were not handed out after all, and of a time without a log.

Entry points: `ImageEntry`, `WithdrawnEntry`, `GapEntry`, `read_entry`, and `image_digest`.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from service.schemas import ScreenResult


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def content(self) -> Mapping[str, Any]:
        """Return it as plain JSON values."""
        return self.model_dump(mode="json")


class SaidText(_Entry):
    """A text of the caller's: itself, its SHA-256, or neither, as the configuration says."""

    text: str | None = None
    digest: str | None = None


class Prompts(_Entry):
    """What the caller wrote and what the model read."""

    prompt: SaidText
    model_prompt: SaidText
    """Without the phrases that the policy has removed."""
    negative_prompt: SaidText
    """The caller's."""


class SampledWith(_Entry):
    """How the image was sampled."""

    seed: int
    """Of this picture, which is a later one than the request's where a screen had it made again."""
    num_inference_steps: int
    guidance_scale: float
    scheduler: str
    height: int
    width: int


class AppliedVector(_Entry):
    """One vector that was added."""

    concept: str
    reference: str
    """The concept with the version: woman@2."""
    digest: str
    strength: float
    reason: str
    """Its kind alone (fairness, safety) where prompts are not kept: the whole quotes them."""


class AvertedWords(_Entry):
    """Words that the policy put into the negative prompt."""

    concept: str
    words: str
    reason: str


class MadeBy(_Entry):
    """What made the picture: another one of these may round otherwise."""

    trimtab: str
    torch: str
    diffusers: str
    device: str
    dtype: str


class ImageEntry(_Entry):
    """One image that was served or withheld."""

    kind: Literal["image"] = "image"
    time: datetime
    tenant: str
    request: str
    """The request's id, which its answer names: X-Trimtab-Id, or the job's."""
    image: int
    """Its number in the request, from 0."""
    images: int
    """How many the request had."""
    attempt: int
    """Which try of a job it is from; of an image with several lines the client got the highest."""
    outcome: Literal["served", "withheld"]
    """withheld: the screen blocked it."""
    prompts: Prompts
    policy: str | None
    """The configured policy's name; None for one that stood in the request."""
    policy_version: int | None
    policy_digest: str
    floor: str | None
    floor_digest: str | None
    model: str
    base_model: str
    """Fingerprint of the model's weights."""
    sampling: SampledWith
    applied: tuple[AppliedVector, ...]
    averted: tuple[AvertedWords, ...]
    screen: ScreenResult | None
    made_by: MadeBy
    image_digest: str
    """Of the picture's pixels and size, before it was written as a file: see `image_digest`."""

    @property
    def id(self) -> str:
        """How `trimtab audit` names it."""
        return f"{self.request}:{self.image}"


class WithdrawnEntry(_Entry):
    """The lines of this attempt stand for images that nobody got: the job was another worker's by then."""

    kind: Literal["withdrawn"] = "withdrawn"
    time: datetime
    request: str
    attempt: int


class GapEntry(_Entry):
    """The log could not be written for a time, or its end was damaged or lost."""

    kind: Literal["gap"] = "gap"
    time: datetime
    since: datetime | None = None
    """When it could be written no more; None where lines were damaged or lost."""
    reason: str
    unrecorded_images: int
    """Made meanwhile without a line: only where `audit_required` is off."""


Entry: TypeAlias = ImageEntry | WithdrawnEntry | GapEntry

_ENTRY: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="kind")])


def read_entry(content: Mapping[str, Any]) -> Entry:
    """Return what a line says; raises pydantic's ValidationError where this version of Trimtab cannot read it."""
    return _ENTRY.validate_python(content, strict=False)


def image_digest(image: Image.Image) -> str:
    """Return the SHA-256 of a picture's mode, width, height and pixels, whatever file it is in.

    A PNG and a WebP without a quality keep it; a JPEG, and a WebP with one, change pixels and so have another.
    """
    header = f"{image.mode} {image.width}x{image.height}\n".encode()
    return f"sha256:{hashlib.sha256(header + image.tobytes()).hexdigest()}"
