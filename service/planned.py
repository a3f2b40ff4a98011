"""A request whose images are decided: what makes them the same on every replica and at every try.

Entry points: `Planned`, which goes into JSON and back.
"""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict

from policies.document import Policy
from policies.image_plan import ImagePlan
from service.schemas import GenerateRequest


class Planned(BaseModel):
    """All that making a request's images takes, whoever makes them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    request: GenerateRequest
    tenant: str
    policy: Policy
    """The request's, before the floor."""
    floor: Policy | None
    """What was held under it: the service's floor and the tenant's."""
    in_force: Policy
    """The request's policy with what the floor holds."""
    base_model: str
    """Fingerprint of the model that the images were planned for."""
    references: Mapping[str, str]
    """Concept -> the version of its vector that was the latest: {"woman": "woman@3"}."""
    images: tuple[ImagePlan, ...]

    def to_json(self) -> str:
        """Return it as JSON."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` wrote; raises pydantic's ValidationError for anything else."""
        return cls.model_validate_json(text)
