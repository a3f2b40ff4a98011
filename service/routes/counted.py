"""The routes whose requests are counted with their outcomes.

Entry point: `CountedRoute`.
"""

import time
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from service.http_errors import code_of
from service.metrics import Metrics
from service.routes.event_stream import EventStream


class CountedRoute(APIRoute):
    """Counts every request with its outcome, those refused before the route function runs included."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with the counting around it."""
        handler = super().get_route_handler()

        async def counted(request: Request) -> Response:
            metrics: Metrics = request.app.state.metrics
            started = time.perf_counter()
            metrics.in_flight.inc()

            def count(outcome: str) -> None:
                metrics.in_flight.dec()
                metrics.count_request(outcome, time.perf_counter() - started)

            try:
                response = await handler(request)
            except Exception as error:
                count(code_of(error))
                raise
            except BaseException:
                # What ends without an answer, as at a shutdown, was cancelled.
                count("cancelled")
                raise
            if isinstance(response, EventStream):
                response.counted_by(count)
            else:
                count("ok")
            return response

        return counted
