"""The app: its lifespan owns the loading and the shared state; routes and error handlers hang on it.

Entry point: `create_app`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version

from fastapi import FastAPI

from service.body_limit import BodyLimit
from service.http_errors import install_handlers
from service.metrics import Metrics
from service.readiness import Readiness, Ready, State
from service.routes import generate, health, policies, vectors
from service.settings import Settings
from service.state.shared import open_state

# The longest prompts and a policy of hundreds of rules fit; what is larger is no request.
MAX_BODY_BYTES = 64 * 1024


def create_app(settings: Settings, on_change: Callable[[State], None] = lambda _state: None) -> FastAPI:
    """Return the service as an ASGI app; the model loads in the background once the app has started.

    `on_change` is called on the event loop when the service gets ready or fails to.
    """
    metrics = Metrics()

    def changed(state: State) -> None:
        metrics.set_ready(isinstance(state, Ready))
        on_change(state)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        shared = open_state(settings.redis_url)
        app.state.shared = shared
        readiness = Readiness(settings, shared, changed)
        app.state.readiness = readiness
        loading = asyncio.create_task(readiness.load())
        try:
            yield
        finally:
            loading.cancel()
            shared.close()

    app = FastAPI(
        title="Trimtab",
        summary="Images from a frozen text-to-image model, steered by policy, each with its provenance.",
        version=version("trimtab"),
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.state.metrics = metrics
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES)
    install_handlers(app)
    for routes in (generate, vectors, policies, health):
        app.include_router(routes.router)
    return app
