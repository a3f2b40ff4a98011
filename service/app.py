"""The app: its lifespan owns the loading, the shared state and the worker; routes and error handlers hang on it.

Entry point: `create_app`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version

from fastapi import FastAPI

from service.access import Access
from service.body_limit import BodyLimit
from service.closing_header import ClosingHeader
from service.degraded_header import DegradedHeader
from service.described_limits import described_limits
from service.draining import Draining
from service.http_errors import install_handlers
from service.jobs.desk import JobDesk
from service.jobs.worker import Worker
from service.metrics import Metrics
from service.readiness import Readiness, Ready, State
from service.routes import (
    admin,
    generate,
    health,
    huggingface,
    jobs,
    openai,
    pictures,
    policies,
    vectors,
    webui,
)
from service.settings import Settings
from service.state.degrading import DEGRADING, Degrading
from service.state.shared import open_state
from vectors.file_format import MAX_FILE_BYTES

# The longest prompts and a policy of hundreds of rules fit; what is larger is no request.
MAX_BODY_BYTES = 64 * 1024


def create_app(settings: Settings, on_change: Callable[[State], None] = lambda _state: None) -> FastAPI:
    """Return the service as an ASGI app; the model loads in the background once the app has started.

    `on_change` is called on the event loop when the service gets ready or fails to. Raises KeyFileError where the
    settings name keys that cannot be read.
    """
    metrics, draining = Metrics(), Draining(settings.grace_s)

    def changed(state: State) -> None:
        metrics.set_ready(isinstance(state, Ready))
        on_change(state)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        shared = open_state(settings.redis_url, settings.state_options)
        degrading = Degrading(shared)
        app.state.shared, app.state.degrading = shared, degrading
        readiness = Readiness(settings, shared, degrading.ledger, changed)
        app.state.readiness = readiness
        app.state.desk = desk = JobDesk(
            shared, degrading.allowances, draining, max_waiting=settings.max_waiting_jobs
        )
        loading = asyncio.create_task(readiness.load())
        worker = Worker(shared, readiness.generation, metrics, draining, claim_kept_s=settings.claim_kept_s)
        working = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            loading.cancel()
            draining.leave()
            await working
            desk.close()
            await asyncio.to_thread(readiness.close)
            degrading.close()
            shared.close()

    app = FastAPI(
        title="Trimtab",
        summary="Images from a frozen text-to-image model, steered by policy, each with its provenance.",
        description=described_limits(settings, MAX_BODY_BYTES),
        version=version("trimtab"),
        lifespan=lifespan,
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
    app.add_middleware(ClosingHeader, draining=draining)
    install_handlers(app)
    for routes in (generate, jobs, vectors, policies, admin, health, openai, huggingface, webui, pictures):
        app.include_router(routes.router)
    for images in (openai.images, webui.images):
        app.include_router(images)
    return app
