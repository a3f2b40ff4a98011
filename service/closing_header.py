"""The header by which clients of a replica that is about to end go elsewhere with their next request.

Entry point: `ClosingHeader`.
"""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.draining import Draining


class ClosingHeader:
    """Has every answer end its connection once the replica drains."""

    def __init__(self, app: ASGIApp, draining: Draining) -> None:
        self._app, self._draining = app, draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start" and self._draining.has_begun:
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, receive, told if scope["type"] == "http" else send)
