"""The header that says what a process counts alone while the shared state is away.

Entry points: `DegradedHeader`, and `HEADER`, which routes set for what is theirs to say.
"""

from collections.abc import Callable, Collection
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER: Final = "X-Trimtab-Degraded"


class DegradedHeader:
    """Adds to every answer what was counted by this process alone when it began; nothing where nothing was."""

    def __init__(self, app: ASGIApp, degraded: Callable[[], Collection[str]]) -> None:
        self._app = app
        self._degraded = degraded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start" and (degraded := self._degraded()):
                headers = MutableHeaders(scope=message)
                already = [headers[HEADER]] if HEADER in headers else []
                headers[HEADER] = ", ".join([*already, *sorted(degraded)])
            await send(message)

        await self._app(scope, receive, told if scope["type"] == "http" else send)
