"""GET /policies: the policies that a request can name."""

from fastapi import APIRouter

from service.dependencies import SettingsOf
from service.schemas import PoliciesResponse

router = APIRouter(prefix="/policies", tags=["policies"])


@router.get("")
def list_policies(settings: SettingsOf) -> PoliciesResponse:
    """List the configured policies, and which one holds for a request that names none."""
    return PoliciesResponse(default=settings.default_policy, policies=settings.policies)
