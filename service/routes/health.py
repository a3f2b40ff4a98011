"""GET /startupz, /healthz, /readyz and /metrics: what an orchestrator and a monitor ask.

Three questions: has it started (wait longer), does it live (restart it), is it ready (send it requests).
"""

from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from service.dependencies import DrainingOf, MetricsOf, ReadinessOf, ReadyGeneration, SharedStateOf
from service.errors import ShuttingDownError, StateUnavailableError
from service.schemas import ErrorResponse, HealthResponse, ReadyResponse, StartupResponse
from service.serving import RETRY_AFTER_S

router = APIRouter(tags=["operation"])


@router.get("/startupz", responses={503: {"model": ErrorResponse}})
async def startupz(readiness: ReadinessOf) -> StartupResponse:
    """Say that loading is over; what happens later changes nothing about it."""
    readiness.check_started()
    return StartupResponse()


@router.get("/healthz", responses={503: {"model": ErrorResponse}})
async def healthz(readiness: ReadinessOf) -> HealthResponse:
    """Say that the process answers, loaded or not; not once the engine is broken, which a restart alone cures."""
    readiness.check_alive()
    return HealthResponse()


@router.get("/readyz", responses={503: {"model": ErrorResponse}})
def readyz(generation: ReadyGeneration, shared: SharedStateOf, draining: DrainingOf) -> ReadyResponse:
    """Say that requests can be served, and whether the shared state is there; not once the process is told to end.

    Without it the answer is still 200: an orchestrator that took every replica away at once would make a loss of some
    requests a loss of all.
    """
    if draining.has_begun:
        raise ShuttingDownError(RETRY_AFTER_S)
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
