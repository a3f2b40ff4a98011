"""What the wire formats of other clients have in common.

Entry points: `ClientBody`, `Drawing`, `asked`, `picture_size`.
"""

import re
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from service.errors import ImpossibleSizeError
from service.schemas import GenerateRequest, Guidance, PolicyOrName, Positive, Prompt, Seed

_SIZE = re.compile(r"([1-9]\d{0,5})x([1-9]\d{0,5})")


class ClientBody(BaseModel):
    """Frozen, and unknown keys are refused; a null is the same as nothing, since clients send many."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Drawing(ClientBody):
    """How to draw, where a family has the service's own names for it."""

    negative_prompt: Prompt | None = None
    seed: Seed | None = None
    num_inference_steps: Positive | None = None
    guidance_scale: Guidance | None = None
    scheduler: str | None = Field(default=None, examples=["euler"])
    policy: PolicyOrName | None = None

    @property
    def drawing(self) -> Mapping[str, object]:
        """These fields, as `asked` takes them."""
        return {name: getattr(self, name) for name in Drawing.model_fields}


def asked(given: Mapping[str, object]) -> GenerateRequest:
    """Return the request with these fields, all of them checked before; a None stands for the field's default."""
    return GenerateRequest.model_validate({name: value for name, value in given.items() if value is not None})


def picture_size(text: str) -> tuple[int, int] | None:
    """Return width and height of a text such as 512x768; None for auto, the model's own. Raises ImpossibleSizeError."""
    if text == "auto":
        return None
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ImpossibleSizeError(
            f"The size {text!r:.50} cannot be read.",
            value=text,
            cure="Write width x height in pixels, such as 512x768, or auto.",
        )
    return int(found[1]), int(found[2])
