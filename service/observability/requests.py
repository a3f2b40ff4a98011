"""What every request leaves behind: its id on the answer, a line in the log, a count, a span.

Entry point: `Observed`, the outermost ASGI layer of the app, so that no answer escapes it.
"""

import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from pydantic import JsonValue
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.metrics import Metrics
from service.observability.logs import FIELDS
from service.observability.request_ids import HEADER, request_id
from service.observability.tracing import Tracing
from service.observability.trail import Trail, begin

logger = logging.getLogger("trimtab.access")

UNMATCHED: Final = "unmatched"
"""The route of an address that there is none for: the address itself may hold anything."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

OPERATION: Final = "operation"
"""The tag of routes that monitors ask every few seconds: they are logged for debugging only, and not traced."""


class Observed:
    """Watches requests without changing them; addresses are told by their route, never as they were sent."""

    def __init__(self, app: ASGIApp, metrics: Metrics, tracing: Tracing) -> None:
        self._app, self._metrics, self._tracing = app, metrics, tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        # It is not taken back at the end: what the server itself says about this request afterwards has its id too.
        trail = begin(
            Trail(
                request_id=request_id(headers.get(HEADER)),
                span=self._tracing.request(headers.get("traceparent"), headers.get("tracestate")),
                measured=self._metrics.observe_stage,
            )
        )
        status: int | None = None

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = str(trail.request_id)
            await send(message)

        started = time.perf_counter()
        try:
            await self._app(scope, receive, told)
        finally:
            self._tell(scope, trail, status, time.perf_counter() - started)

    def _tell(self, scope: Scope, trail: Trail, status: int | None, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or UNMATCHED
        method = scope["method"] if scope["method"] in METHODS else "other"
        outcome = trail.outcome or _outcome(status)
        is_operation = OPERATION in (getattr(scope.get("route"), "tags", None) or ())
        self._metrics.count_http_request(method, route, status)
        fields: Mapping[str, JsonValue] = {
            "method": method,
            "route": route,
            "status": status,
            "outcome": outcome,
            "duration_s": round(seconds, 4),
            "images": trail.images,
            "policy": trail.policy,
            "prompt": trail.prompt,
        }
        level = logging.DEBUG if is_operation else logging.INFO
        said = "no answer" if status is None else status
        logger.log(level, "%s %s: %s", method, route, said, extra={FIELDS: fields})
        if not is_operation:
            trail.span.end(_attributes(trail, method, route, status, outcome), failed=(status or 0) >= 500)


def _outcome(status: int | None) -> str:
    """Return what became of a request that nobody has said more of."""
    if status is None:
        return "cancelled"
    return "ok" if status < 400 else "refused"


def _attributes(trail: Trail, method: str, route: str, status: int | None, outcome: str) -> dict[str, Any]:
    known = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": status,
        "trimtab.outcome": outcome,
        "trimtab.request_id": trail.request_id,
        "trimtab.job": trail.job,
        "trimtab.rows": trail.images,
        "trimtab.policy": trail.policy,
    }
    return {name: value for name, value in known.items() if value is not None}
