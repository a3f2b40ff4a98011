"""What the routes are given, as `Annotated` types.

Entry points: `SettingsOf`, `MetricsOf`, `SharedStateOf`, `ReadyGeneration`, `ClientGone`.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, cast

from fastapi import Depends, Request

from service.generation import Generation
from service.metrics import Metrics
from service.readiness import Readiness
from service.settings import Settings
from service.state.shared import SharedState


def _settings(request: Request) -> Settings:
    return cast(Settings, request.app.state.settings)


def _metrics(request: Request) -> Metrics:
    return cast(Metrics, request.app.state.metrics)


def _shared(request: Request) -> SharedState:
    return cast(SharedState, request.app.state.shared)


def _generation(request: Request) -> Generation:
    return cast(Readiness, request.app.state.readiness).generation()


async def _client_gone(request: Request) -> AsyncIterator[asyncio.Event]:
    """Set the event when the client disconnects."""
    gone = asyncio.Event()

    async def watch() -> None:
        # The body has been read: the next message is the disconnect.
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()

    watcher = asyncio.create_task(watch())
    try:
        yield gone
    finally:
        watcher.cancel()


SettingsOf = Annotated[Settings, Depends(_settings)]
MetricsOf = Annotated[Metrics, Depends(_metrics)]
SharedStateOf = Annotated[SharedState, Depends(_shared)]
ReadyGeneration = Annotated[Generation, Depends(_generation)]
ClientGone = Annotated[asyncio.Event, Depends(_client_gone)]
