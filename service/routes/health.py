"""GET /healthz, /readyz and /metrics: what an orchestrator and a monitor ask."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from service.dependencies import MetricsOf, ReadyGeneration
from service.schemas import ErrorResponse, HealthResponse, ReadyResponse

router = APIRouter(tags=["operation"])


@router.get("/healthz")
async def healthz() -> HealthResponse:
    """Say that the process answers, loaded or not."""
    return HealthResponse()


@router.get("/readyz", responses={503: {"model": ErrorResponse}})
async def readyz(generation: ReadyGeneration) -> ReadyResponse:
    """Say that requests can be served."""
    loaded = generation.loaded
    return ReadyResponse(model=loaded.name, base_model=loaded.model.fingerprint)


@router.get("/metrics", response_class=Response)
async def metrics(metrics: MetricsOf) -> Response:
    """Give the metrics in Prometheus's text format."""
    return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)
