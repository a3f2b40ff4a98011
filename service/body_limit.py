"""Limits on request bodies, in bytes and seconds, answered like every other error.

Entry point: `BodyLimit`, an ASGI middleware. FastAPI's own limit answers in plain text, and uvicorn waits for ever.
"""

import asyncio
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """Ends the reading of a body that exceeds `max_bytes`, or what its path allows in `larger`, with a 413.

    One that announces too much is not read at all; what is announced is not relied on. One that has not come in whole
    `timeout_s` after it was first waited for is answered 408, the client's fault unlike 504.
    """

    def __init__(
        self, app: ASGIApp, max_bytes: int, timeout_s: float, larger: Mapping[str, int] | None = None
    ) -> None:
        self._app = app
        self._max_bytes, self._timeout_s = max_bytes, timeout_s
        self._larger = larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        max_bytes = self._larger.get(scope["path"], self._max_bytes)
        announced = Headers(scope=scope).get("content-length", "")
        body = _Body(receive, max_bytes, self._timeout_s)
        if announced.isdecimal() and int(announced) > max_bytes:
            body.is_too_large = True
        await self._app(scope, body.receive, send)


class _Body:
    """One request's body as it comes in."""

    def __init__(self, receive: Receive, max_bytes: int, timeout_s: float) -> None:
        self._receive, self._max_bytes, self._timeout_s = receive, max_bytes, timeout_s
        self._read_bytes = 0
        self._due_s: float | None = None
        self._is_whole = False
        self.is_too_large = False

    async def receive(self) -> Message:
        """Return the next message; raise HTTPException where the body breaks a limit."""
        if self.is_too_large:
            raise HTTPException(413, f"The body is larger than {self._max_bytes} bytes.")
        if self._is_whole:  # what is waited for now is that the client leaves
            return await self._receive()
        if self._due_s is None:
            self._due_s = asyncio.get_running_loop().time() + self._timeout_s
        try:
            async with asyncio.timeout_at(self._due_s):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(
                408, f"The body has not come in within {self._timeout_s:g} seconds.", {"Connection": "close"}
            ) from None
        self._read_bytes += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._read_bytes > self._max_bytes:
            self.is_too_large = True
            return await self.receive()
        return message
