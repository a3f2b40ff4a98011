"""Spans by OpenTelemetry, sent to a collector by OTLP over HTTP: the only module that knows of either.

Entry point: `OtlpTracer`. Its provider is its own: nothing else in the process sends spans because of it.
"""

import threading
from importlib.metadata import version
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.observability.tracing import Attributes, Span

CLOSE_WITHIN_S: Final = 2.0
"""How long a shutdown waits for a collector that does not answer."""

_W3C = TraceContextTextMapPropagator()


class OtlpTracer:
    """Makes spans, and sends them by a thread of its own; what a collector does not take is dropped."""

    def __init__(self, endpoint: str) -> None:
        named = Resource.create({"service.name": "trimtab", "service.version": version("trimtab")})
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
        resource = named.merge(OTELResourceDetector().detect())
        self._exporter = OTLPSpanExporter(endpoint=endpoint)
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("trimtab", version("trimtab"))

    def request(self, traceparent: str | None, tracestate: str | None) -> Span:
        """Begin a request."""
        context = _context(traceparent, tracestate)
        span = self._tracer.start_span("request", context, kind=trace.SpanKind.SERVER)
        return _OtelSpan(self._tracer, span)

    def job(self, posted_by: str | None) -> Span:
        """Begin the making of a job."""
        poster = trace.get_current_span(_context(posted_by, None)).get_span_context()
        links = [trace.Link(poster)] if poster.is_valid else []
        span = self._tracer.start_span("job", Context(), kind=trace.SpanKind.CONSUMER, links=links)
        return _OtelSpan(self._tracer, span)

    def close(self) -> None:
        """Send what is left; a collector that does not answer is not waited for."""
        closing = threading.Thread(target=self._provider.shutdown, name="trimtab-traces-closing", daemon=True)
        closing.start()
        closing.join(CLOSE_WITHIN_S)
        if closing.is_alive():
            self._exporter.shutdown()  # type: ignore[no-untyped-call]


class _OtelSpan:
    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        self._tracer, self._span = tracer, span
        self._context = trace.set_span_in_context(span, Context())

    @property
    def traceparent(self) -> str | None:
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, self._context)
        return carrier.get("traceparent")

    def child(self, name: str, began_ns: int, ended_ns: int, attributes: Attributes) -> None:
        span = self._tracer.start_span(name, self._context, attributes=attributes, start_time=began_ns)
        span.end(ended_ns)

    def end(self, attributes: Attributes, *, failed: bool) -> None:
        self._span.set_attributes(attributes)
        if failed:
            self._span.set_status(trace.StatusCode.ERROR)
        self._span.end()


def _context(traceparent: str | None, tracestate: str | None) -> Context:
    """Return the context that a caller has sent; an empty one where that is none."""
    sent = {"traceparent": traceparent, "tracestate": tracestate}
    carrier = {name: value for name, value in sent.items() if value is not None}
    return _W3C.extract(carrier, Context())
