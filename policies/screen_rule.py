"""What a policy wants of finished pictures: whether to look at them, for what, and what follows from a finding.

Entry points: `ScreenRule`, `check_screen` (can it be followed with the detector that is there).
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from policies.errors import NoScreenError, UnknownCategoryError, choose_from

Outcome = Literal["passed", "retried", "flagged", "blocked"]
"""Passed at the first attempt or at a later one; served with the finding; not served."""

Category = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]


class ScreenRule(BaseModel):
    """Every finished picture is looked at by a detector of unsafe content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    on_finding: Literal["flag", "block", "retry"] = Field(
        default="block",
        description="flag: serve the picture and say so. block: serve none. retry: make another, at last block.",
    )
    attempts: Annotated[int, Field(strict=True, ge=1, le=5)] = Field(
        default=2, description="Further pictures that retry makes, at most."
    )
    categories: Annotated[tuple[Category, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="What to look for. Default: all that the detector knows.",
        examples=[["sexual"]],
    )
    stronger: Annotated[float, Field(strict=True, ge=1, le=10)] = Field(
        default=1.5, description="Factor on the strengths of the safety rules at each retry."
    )

    @property
    def consequence(self) -> str:
        """What follows from a finding, in words."""
        if self.on_finding == "flag":
            return "the picture is served with what was found"
        if self.on_finding == "block":
            return "no picture is served"
        return (
            f"up to {self.attempts} further pictures are made, each on another seed and with the safety vectors "
            f"{self.stronger:g} times as strong as before; if the last shows it too, no picture is served"
        )

    def outcome(self, findings: Sequence[Sequence[str]]) -> Outcome | None:
        """Return what becomes of an image, or None where it is to be made again.

        `findings` are the categories found at each of its attempts so far, at least one.
        """
        if not findings[-1]:
            return "passed" if len(findings) == 1 else "retried"
        if self.on_finding == "flag":
            return "flagged"
        if self.on_finding == "retry" and len(findings) <= self.attempts:
            return None
        return "blocked"


def check_screen(rule: ScreenRule | None, categories: Sequence[str]) -> None:
    """Raise a PolicyError unless a detector is there, which knows these categories, and the rule asks for no others.

    Without a detector there are none, and a policy that wants its pictures looked at is refused.
    """
    if rule is None:
        return
    if not categories:
        raise NoScreenError(
            "The policy wants finished pictures to be looked at, and the service has no detector for this model.",
            field="screen",
            value=rule.model_dump(),
            cure="Set screen_detector to clip or nudenet, or leave the screen out of the policy.",
        )
    for index, category in enumerate(rule.categories or ()):
        if category not in categories:
            raise UnknownCategoryError(
                f"The service's detector does not find {category!r}.",
                field=f"screen.categories.{index}",
                value=category,
                cure=choose_from(category, categories),
            )
