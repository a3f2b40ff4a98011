"""GET /admission: what a gateway asks before it sends a request here, with the request's key.

Two answers in one: whose key it is, by which the gateway counts, and whether this replica takes requests. A replica
that loads, has failed or is about to end says 503, and the gateway asks another.
"""

from fastapi import APIRouter, Response

from service.dependencies import CallerOf, DrainingOf, ReadyGeneration
from service.errors import ShuttingDownError
from service.schemas import AdmissionResponse
from service.serving import RETRY_AFTER_S

router = APIRouter(tags=["operation"])

KEY_HEADER = "X-Trimtab-Key"
"""The id of the key; left out where the service has no keys."""


# Below /sdapi/ a key may be a password, and there alone: each is asked for the routes that take keys as it does.
@router.get("/sdapi/admission", name="admit_webui")
@router.get("/admission")
async def admit(
    caller: CallerOf, generation: ReadyGeneration, draining: DrainingOf, response: Response
) -> AdmissionResponse:
    """Say whose key was sent, and that this replica takes requests: what a gateway asks with each of them."""
    if draining.has_begun:
        raise ShuttingDownError(RETRY_AFTER_S)
    if caller.key_id is not None:
        response.headers[KEY_HEADER] = caller.key_id
    return AdmissionResponse(key=caller.key_id, tenant=caller.tenant.name, roles=tuple(sorted(caller.roles)))
