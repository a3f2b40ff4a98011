"""The answer on connections that are too many.

Entry points: `ConnectionLimit`, an ASGI middleware, and `surplus`, by which the server marks what comes on them.
"""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import TooManyConnectionsError
from service.http_errors import answer
from service.probes import PROBES

_MARK = "trimtab.surplus"


def surplus(app: ASGIApp) -> ASGIApp:
    """Return the app for a connection that is one too many."""

    async def marked(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})[_MARK] = True
        await app(scope, receive, send)

    return marked


class ConnectionLimit:
    """Refuses what comes on surplus connections, and ends them; probes are answered all the same."""

    def __init__(self, app: ASGIApp, max_connections: int) -> None:
        self._app, self._max_connections = app, max_connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or scope["path"] in PROBES or not scope.get("state", {}).get(_MARK):
            await self._app(scope, receive, send)
            return
        response = await answer(Request(scope), TooManyConnectionsError(self._max_connections))
        response.headers["Connection"] = "close"
        await response(scope, receive, send)
