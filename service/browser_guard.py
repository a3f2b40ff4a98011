"""Keeps web pages off a service that asks for no keys: browsers let any page ask what is on the user's own machine.

Entry point: `BrowserGuard`, an ASGI middleware. A page whose name was made to lead here (DNS rebinding) shows by the
Host header, one of another site by the Origin header; both are the browser's to write, and no page's.
"""

from collections.abc import Awaitable, Callable, Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import AccessError, ForeignOriginError, UnknownHostError
from service.loopback import is_loopback
from service.probes import PROBES

Answer = Callable[[Request, Exception], Awaitable[Response]]


class BrowserGuard:
    """Refuses what is addressed to a name that is not this machine's own or allowed, or comes from another's page."""

    def __init__(
        self, app: ASGIApp, allowed_hosts: Collection[str], allowed_origins: Collection[str], answer: Answer
    ) -> None:
        """Hosts are names without ports; "*" is every origin; `answer` makes an answer of an error."""
        self._app, self._answer = app, answer
        self._allowed = frozenset(name.lower() for name in allowed_hosts)
        self._origins = frozenset(allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer why not."""
        if scope["type"] == "http" and scope["path"] not in PROBES:
            try:
                self._check(Headers(scope=scope))
            except AccessError as refusal:
                refused = await self._answer(Request(scope), refusal)
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, headers: Headers) -> None:
        host, origin = headers.get("host", ""), headers.get("origin")
        name = _name(host)
        if not (is_loopback(name) or name in self._allowed):
            raise UnknownHostError(
                f"The service is not addressed as {host!r:.100}.",
                field="Host",
                value=host,
                cure="Ask 127.0.0.1 or localhost, or add the name to allowed_hosts in the configuration.",
            )
        if origin is not None and not self._may_ask(origin, host):
            raise ForeignOriginError(
                f"A web page of {origin!r:.100} may not ask here.",
                field="Origin",
                value=origin,
                cure="Add it to cors_origins in the configuration, or set keys.",
            )

    def _may_ask(self, origin: str, host: str) -> bool:
        """Whether a page of this origin may ask at this host: its own, an allowed host's, and what CORS lets ask."""
        its_host = origin.partition("://")[2]
        return (
            its_host.lower() == host.lower()
            or _name(its_host) in self._allowed
            or not self._origins.isdisjoint({origin, "*"})
        )


def _name(host: str) -> str:
    """Return the name in a Host header, without its port; "" for what is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
