"""The app: its lifespan owns the loading, the shared state and the worker; routes and error handlers hang on it.

Entry point: `create_app`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.types import ASGIApp

from service.access import Access
from service.audit.log import open_audit_log
from service.body_limit import BodyLimit
from service.browser_guard import BrowserGuard
from service.closing_header import ClosingHeader
from service.connection_limit import ConnectionLimit
from service.cross_origin import allow_origins
from service.degraded_header import DegradedHeader
from service.described import describe
from service.draining import Draining
from service.http_errors import answer, install_handlers
from service.jobs.desk import JobDesk
from service.jobs.worker import Worker
from service.metrics import Metrics
from service.observability.requests import Observed
from service.observability.tracing import Tracing
from service.readiness import Readiness, Ready, State
from service.routes import (
    admin,
    admission,
    docs,
    generate,
    health,
    huggingface,
    jobs,
    openai,
    pictures,
    playground,
    policies,
    vectors,
    webui,
)
from service.security_headers import SecurityHeaders
from service.settings import Settings
from service.state.degrading import DEGRADING, Degrading
from service.state.shared import open_state
from vectors.file_format import MAX_FILE_BYTES

# The longest prompts and a policy of hundreds of rules fit; what is larger is no request.
MAX_BODY_BYTES = 64 * 1024


class _Service(FastAPI):
    """An app with a layer around all of it, so that the answers of its outermost error handler pass it too."""

    def __init__(self, around: Callable[[ASGIApp], ASGIApp], **options: Any) -> None:
        # FastAPI's own traces and logs would tell addresses, and errors' texts, as they are.
        unsent: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
        super().__init__(**options, telemetry=unsent)
        self._around = around

    def build_middleware_stack(self) -> ASGIApp:
        """Build what every request passes."""
        return self._around(super().build_middleware_stack())


def create_app(settings: Settings, on_change: Callable[[State], None] = lambda _state: None) -> FastAPI:
    """Return the service as an ASGI app; the model loads in the background once the app has started.

    `on_change` is called on the event loop when the service gets ready or fails to. Raises KeyFileError where the
    settings name keys that cannot be read, and TracingError where traces are to be sent and cannot be.
    """
    metrics, draining = Metrics(), Draining(settings.grace_s)
    tracing = Tracing(settings.otlp_endpoint)

    def changed(state: State) -> None:
        metrics.set_ready(isinstance(state, Ready))
        if isinstance(state, Ready):
            metrics.watch(state.generation)
        on_change(state)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        tracing.open()
        shared = open_state(settings.redis_url, settings.state_options)
        degrading = Degrading(shared)
        app.state.shared, app.state.degrading = shared, degrading
        audit = open_audit_log(settings)
        readiness = Readiness(settings, shared, degrading.ledger, changed, metrics, audit)
        app.state.readiness = readiness
        app.state.desk = desk = JobDesk(
            shared, degrading.allowances, draining, max_waiting=settings.max_waiting_jobs
        )
        loading = asyncio.create_task(readiness.load())
        worker = Worker(
            shared,
            readiness.generation,
            metrics,
            draining,
            degrading.allowances,
            claim_kept_s=settings.claim_kept_s,
            tracing=tracing,
        )
        working = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            loading.cancel()
            draining.leave()
            await working
            desk.close()
            await asyncio.to_thread(readiness.close)
            if audit is not None:
                await asyncio.to_thread(audit.close)
            degrading.close()
            shared.close()
            await asyncio.to_thread(tracing.close)

    app = _Service(
        lambda app: Observed(ClosingHeader(app, draining), metrics, tracing),
        title="Trimtab",
        summary="Images from a frozen text-to-image model, steered by policy, each with its provenance.",
        version=version("trimtab"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.metrics = metrics
    app.state.draining = draining
    app.state.access = Access(settings)
    app.add_middleware(
        BodyLimit,
        max_bytes=MAX_BODY_BYTES,
        larger={admin.UPLOAD_PATH: MAX_FILE_BYTES},
        timeout_s=settings.body_timeout_s,
    )

    def degraded() -> frozenset[str]:
        """Return what this process counts alone; nothing before it has started."""
        degrading: Degrading | None = getattr(app.state, "degrading", None)
        return frozenset() if degrading is None else degrading.degraded

    metrics.watch_degraded(DEGRADING, degraded)
    app.add_middleware(DegradedHeader, degraded=degraded)
    app.add_middleware(ConnectionLimit, max_connections=settings.max_connections)
    if settings.guards_against_pages:
        app.add_middleware(
            BrowserGuard,
            allowed_hosts=settings.allowed_hosts,
            allowed_origins=settings.cors_origins,
            answer=answer,
        )
    allow_origins(app, settings.cors_origins)
    app.add_middleware(SecurityHeaders)
    install_handlers(app)
    for routes in (
        generate,
        jobs,
        vectors,
        policies,
        admin,
        health,
        admission,
        openai,
        huggingface,
        webui,
        pictures,
        docs,
        playground,
    ):
        app.include_router(routes.router)
    for images in (openai.images, webui.images):
        app.include_router(images)
    describe(app, settings, MAX_BODY_BYTES)
    return app
