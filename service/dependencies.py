"""What the routes are given, as `Annotated` types.

Entry points: `SettingsOf`, `MetricsOf`, `ReadyGeneration`, `ClientGone`.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Annotated, cast

from fastapi import Depends, Request

from service.generation import Generation
from service.metrics import Metrics
from service.readiness import Readiness
from service.settings import Settings


def _settings(request: Request) -> Settings:
    return cast(Settings, request.app.state.settings)


def _metrics(request: Request) -> Metrics:
    return cast(Metrics, request.app.state.metrics)


def _generation(request: Request) -> Generation:
    return cast(Readiness, request.app.state.readiness).generation()


async def _client_gone(request: Request) -> AsyncIterator[threading.Event]:
    """Set the event when the client disconnects, and in any case when the request ends.

    So the engine stops for clients that went away and for requests that a shutdown cuts off. It
    is an event of threads because the engine asks it from its own.
    """
    gone = threading.Event()

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
        gone.set()


SettingsOf = Annotated[Settings, Depends(_settings)]
MetricsOf = Annotated[Metrics, Depends(_metrics)]
ReadyGeneration = Annotated[Generation, Depends(_generation)]
ClientGone = Annotated[threading.Event, Depends(_client_gone)]
