"""Who hears what was decided about requests, for counting: nothing in it is the request's own text.

Entry points: `Observer`, `NOBODY`, and `floor_refusal`, what a refusal has to do with the floor.
"""

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

from policies.concepts import Concepts
from policies.errors import FloorError, FloorUnmetError
from policies.gate import Decision
from service.configured import ConfiguredPolicies
from service.errors import RequestError, SchedulerNotAllowedError, TooFewStepsError, TooLittleGuidanceError
from service.limits import check_sampling
from service.schemas import GenerateRequest

FloorRefusal: TypeAlias = Literal["opposed", "unmet", "sampling"]
"""The policy goes against the floor, the floor cannot be met, or the floor does not allow the sampling."""


class Observer(Protocol):
    """Hears, from any thread, and returns at once."""

    def decided(self, decisions: Sequence[Decision]) -> None:
        """Hear what was decided from one request's prompt about each fairness rule."""
        ...

    def refused_by_floor(self, how: FloorRefusal) -> None:
        """Hear that a request was refused because of the floor."""
        ...


class _Nobody:
    def decided(self, decisions: Sequence[Decision]) -> None: ...

    def refused_by_floor(self, how: FloorRefusal) -> None: ...


NOBODY: Observer = _Nobody()


def floor_refusal(
    error: Exception, request: GenerateRequest, policies: ConfiguredPolicies, concepts: Concepts
) -> FloorRefusal | None:
    """Return what a request's refusal has to do with the floor; None where it is the request's own fault."""
    match error:
        case FloorError():
            return "opposed"
        case FloorUnmetError():
            return "unmet"
        case TooLittleGuidanceError() | TooFewStepsError() | SchedulerNotAllowedError():
            try:
                check_sampling(request, policies.find(request.policy), concepts)
            except RequestError:
                return None
            return "sampling"
        case _:
            return None
