"""A collector of traces for tests: it takes OTLP over HTTP on loopback, and keeps what was sent."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

TIMEOUT_S = 60


@dataclass(frozen=True)
class Link:
    """What a span refers to."""

    trace_id: str
    span_id: str


@dataclass(frozen=True)
class Sent:
    """One span as it was sent."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    began_ns: int
    ended_ns: int
    attributes: Mapping[str, object]
    links: tuple[Link, ...]
    has_failed: bool
    service: str


class Collector:
    """What was sent."""

    def __init__(self) -> None:
        self.spans: list[Sent] = []
        self.bodies: list[bytes] = []
        self.paths: set[str] = set()
        self.url = ""

    def take(self, path: str, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        self.bodies.append(body)
        self.paths.add(path)
        for resource in request.resource_spans:
            service = {one.key: one.value.string_value for one in resource.resource.attributes}[
                "service.name"
            ]
            for scope in resource.scope_spans:
                self.spans += [_sent(span, service) for span in scope.spans]

    def find(self, holds: Callable[[Sent], bool]) -> list[Sent]:
        return [span for span in self.spans if holds(span)]

    def wait(self, holds: Callable[[Sent], bool]) -> Sent:
        """The first span of which this holds, as soon as it has come."""
        deadline = time.monotonic() + TIMEOUT_S
        while not (found := self.find(holds)):
            assert time.monotonic() < deadline, [span.name for span in self.spans]
            time.sleep(0.01)
        return found[0]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Take spans on a port of its own."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        collector.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


def _sent(span, service: str) -> Sent:
    return Sent(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        began_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
        attributes={one.key: _value(one.value) for one in span.attributes},
        links=tuple(Link(link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        has_failed=span.status.code == 2,
        service=service,
    )


def _value(value) -> object:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind)
