"""Traces, where a collector is configured; where none is, nothing of OpenTelemetry is imported and spans are nothing.

Entry points: `Tracing`, and `Span`, what it makes.
"""

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Protocol, TypeAlias
from urllib.parse import urlsplit

from service.errors import TracingError

Attributes: TypeAlias = Mapping[str, str | int | float | Sequence[str]]
"""A span's attributes."""

_PACKAGES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


class Span(Protocol):
    """What a trace tells of one request, or of the making of one job."""

    @property
    def traceparent(self) -> str | None:
        """Its W3C traceparent, for what refers to it; None where it is not recorded."""
        ...

    def child(self, name: str, began_ns: int, ended_ns: int, attributes: Attributes) -> None:
        """Tell of a part of it that is over, in nanoseconds since 1970."""
        ...

    def end(self, attributes: Attributes, *, failed: bool) -> None:
        """Say that it is over; `failed` where that is the service's fault."""
        ...


class Tracer(Protocol):
    """Makes spans and sends them."""

    def request(self, traceparent: str | None, tracestate: str | None) -> Span:
        """Begin a request, in its caller's trace where it has sent one."""
        ...

    def job(self, posted_by: str | None) -> Span:
        """Begin the making of a job, in a trace of its own that is linked to the request that posted it."""
        ...

    def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        ...


class _NoSpan:
    traceparent = None

    def child(self, name: str, began_ns: int, ended_ns: int, attributes: Attributes) -> None: ...

    def end(self, attributes: Attributes, *, failed: bool) -> None: ...


NO_SPAN: Span = _NoSpan()


class Tracing:
    """One app's tracer: none until it is opened, and where no collector is configured none at all."""

    def __init__(self, address: str | None) -> None:
        """`address` is the collector's base address, before what the usual variables say.

        Raises TracingError where spans were to be sent and cannot be.
        """
        self._endpoint = _endpoint(address)
        self._tracer: Tracer | None = None
        if self._endpoint is not None:
            _check(self._endpoint)

    def open(self) -> None:
        """Begin to send spans."""
        if self._endpoint is not None:
            from service.observability.otel import OtlpTracer

            self._tracer = OtlpTracer(self._endpoint)

    def close(self) -> None:
        """Send what is left; it may take seconds."""
        if self._tracer is not None:
            tracer, self._tracer = self._tracer, None
            tracer.close()

    def request(self, traceparent: str | None, tracestate: str | None = None) -> Span:
        """Begin a request."""
        return NO_SPAN if self._tracer is None else self._tracer.request(traceparent, tracestate)

    def job(self, posted_by: str | None) -> Span:
        """Begin the making of a job."""
        return NO_SPAN if self._tracer is None else self._tracer.job(posted_by)


def _endpoint(address: str | None) -> str | None:
    """Return where spans are sent, by the setting, then by OpenTelemetry's variables; None for nowhere."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    if os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return None
    for_traces = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip()
    if address is None and for_traces:
        return for_traces
    base = address or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    return f"{base.rstrip('/')}/v1/traces" if base else None


def _check(endpoint: str) -> None:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TracingError(
            f"Traces cannot be sent to {endpoint!r:.200}.",
            value=endpoint,
            cure="Set otlp_endpoint or OTEL_EXPORTER_OTLP_ENDPOINT to an address such as http://collector:4318.",
        )
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"
    )
    if protocol != "http/protobuf":
        raise TracingError(
            f"Traces cannot be sent by the protocol {protocol!r:.50}.",
            value=protocol,
            cure="Set OTEL_EXPORTER_OTLP_PROTOCOL to http/protobuf, or leave it out; collectors take it on port 4318.",
        )
    if not all(_is_installed(package) for package in _PACKAGES):
        raise TracingError(
            f"Traces were to be sent to {endpoint}, and what sends them is not installed.",
            value=endpoint,
            cure="Install it with: pip install 'trimtab[otel]'. Or set OTEL_TRACES_EXPORTER=none.",
        )


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # nor is what it is in
        return False
