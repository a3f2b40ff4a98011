"""A limit on the size of request bodies, answered like every other error.

Entry point: `BodyLimit`, an ASGI middleware. FastAPI's own limit answers in plain text.
"""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """Ends the reading of a body that exceeds `max_bytes`, or what its path allows in `larger`, with a 413.

    One that announces too much is not read at all; what is announced is not relied on.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, larger: Mapping[str, int] | None = None) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._larger = larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        max_bytes = self._larger.get(scope.get("path", ""), self._max_bytes)
        announced = Headers(scope=scope).get("content-length", "") if scope["type"] == "http" else ""
        read_bytes = 0

        async def limited() -> Message:
            nonlocal read_bytes
            if announced.isdecimal() and int(announced) > max_bytes:
                raise _too_large(max_bytes)
            message = await receive()
            read_bytes += len(message.get("body", b""))
            if read_bytes > max_bytes:
                raise _too_large(max_bytes)
            return message

        await self._app(scope, limited, send)


def _too_large(max_bytes: int) -> HTTPException:
    return HTTPException(413, f"The body is larger than {max_bytes} bytes.")
