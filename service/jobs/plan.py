"""What a job's store keeps of the work: the plan, and what its client wants to hear of.

Entry point: `JobPlan`, which goes into JSON and back.
"""

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from service.deadline import Deadline
from service.errors import UnreadablePlanError
from service.planned import Planned


class JobPlan(BaseModel):
    """All that making a job takes, whoever makes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    planned: Planned
    preview_every: int | None = None
    """A small picture of every image is told each so many steps."""
    request_id: str | None = None
    """Of the request that posted the job."""
    traceparent: str | None = None
    """Of the same, where it is traced."""
    expires_s: float | None = None
    """When its images are of no use any more, in seconds since 1970; None for never."""

    def deadline(self) -> Deadline | None:
        """Return when the images are of no use any more, on this replica's clock; None for never."""
        timeout_s = self.planned.request.timeout_s
        if self.expires_s is None or timeout_s is None:
            return None
        return Deadline.at(self.expires_s, timeout_s)

    def to_json(self) -> str:
        """Return it as JSON."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` wrote; raises UnreadablePlanError for anything else."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise UnreadablePlanError(
                "The job's plan cannot be read: it was accepted by another version of the service.",
                cure="Send it again.",
            ) from error
