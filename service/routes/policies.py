"""GET /policies: the policies that a request can name. POST /policies/explain: what images would get, and why."""

from fastapi import APIRouter

from service.dependencies import CallerOf, PoliciesOf, ReadyGeneration, needs
from service.schemas import ErrorResponse, ExplainResponse, GenerateRequest, PoliciesResponse

router = APIRouter(prefix="/policies", tags=["policies"], dependencies=[needs("read")])


@router.get("")
def list_policies(policies: PoliciesOf, caller: CallerOf) -> PoliciesResponse:
    """List the configured policies, the floors under them, and which one holds for a request that names none."""
    allowed = caller.tenant.concepts
    return PoliciesResponse(
        default=policies.default,
        floor=policies.floor,
        tenant_floor=caller.tenant.floor,
        concepts=None if allowed is None else tuple(sorted(allowed)),
        policies=policies.named,
    )


@router.post("/explain", responses={422: {"model": ErrorResponse}, 503: {"model": ErrorResponse}})
def explain(body: GenerateRequest, caller: CallerOf, generation: ReadyGeneration) -> ExplainResponse:
    """Show what each image of a request to POST /generate would get and why, without making or counting any."""
    return generation.explain(body, caller)
