"""GET /healthz, /readyz and /metrics: what an orchestrator and a monitor ask."""

from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from service.dependencies import MetricsOf, ReadyGeneration, SharedStateOf
from service.errors import StateUnavailableError
from service.schemas import ErrorResponse, HealthResponse, ReadyResponse

router = APIRouter(tags=["operation"])


@router.get("/healthz")
async def healthz() -> HealthResponse:
    """Say that the process answers, loaded or not."""
    return HealthResponse()


@router.get("/readyz", responses={503: {"model": ErrorResponse}})
def readyz(generation: ReadyGeneration, shared: SharedStateOf) -> ReadyResponse:
    """Say that requests can be served, and whether the shared state is there.

    Without it the answer is still 200: an orchestrator that took every replica away at once would make a loss of some
    requests a loss of all.
    """
    loaded = generation.loaded
    store: Literal["memory", "redis", "unreachable"] = shared.store
    try:
        shared.check()
    except StateUnavailableError:
        store = "unreachable"
    return ReadyResponse(
        status="degraded" if store == "unreachable" else "ready",
        model=loaded.name,
        base_model=loaded.model.fingerprint,
        shared_state=store,
    )


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(metrics: MetricsOf) -> Response:
    """Give the metrics in Prometheus's text format."""
    return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)
