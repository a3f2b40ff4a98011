"""GET /policies: the policies that a request can name. POST /policies/explain: what images would get, and why."""

from fastapi import APIRouter

from service.dependencies import ReadyGeneration, SettingsOf
from service.schemas import ErrorResponse, ExplainResponse, GenerateRequest, PoliciesResponse

router = APIRouter(prefix="/policies", tags=["policies"])


@router.get("")
def list_policies(settings: SettingsOf) -> PoliciesResponse:
    """List the configured policies, the floor under them, and which one holds for a request that names none."""
    return PoliciesResponse(
        default=settings.default_policy, floor=settings.held_floor, policies=settings.policies
    )


@router.post("/explain", responses={422: {"model": ErrorResponse}, 503: {"model": ErrorResponse}})
def explain(body: GenerateRequest, generation: ReadyGeneration) -> ExplainResponse:
    """Show what each image of a request to POST /generate would get and why, without making or counting any."""
    return generation.explain(body)
