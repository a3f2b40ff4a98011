"""The process's log: one line for each record, as JSON or as text, and none that a client could have written.

Entry point: `configure_logs`. JSON is ASCII with everything else escaped; in text what cannot be printed is escaped,
and lines of a traceback are indented. The standard library does it: there is nothing that a package would add.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Literal, TextIO, TypeAlias

from pydantic import JsonValue

from service.observability.trail import Trail, current

LogFormat: TypeAlias = Literal["auto", "text", "json"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]

FIELDS: Final = "fields"
"""The key of `extra` under which a record brings fields of its own."""

_OURS: Final = (
    "service",
    "trimtab",
    "diffusion",
    "policies",
    "vectors",
    "detectors",
    "uvicorn",
    "uvicorn.error",
)
"""Loggers whose level is set; of others, warnings are told."""

_PLAIN = re.compile(r"[A-Za-z0-9._:/{}@+-]+")
_LEAST_HIDDEN: Final = 4
"""A shorter text says nothing, and would be found everywhere."""


def configure_logs(log_format: LogFormat, level: LogLevel, stream: TextIO | None = None) -> None:
    """Have every logger of this process, uvicorn's too, write to `stream`, by default the standard error.

    `auto` is text on a terminal and JSON elsewhere.
    """
    written = sys.stderr if stream is None else stream
    is_text = log_format == "text" or (log_format == "auto" and written.isatty())
    handler = logging.StreamHandler(written)
    handler.setFormatter(TextLines() if is_text else JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in _OURS:
        logger = logging.getLogger(name)
        logger.setLevel(level.upper())
        logger.handlers, logger.propagate = [], True
    logging.captureWarnings(True)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        trail = current()
        line: dict[str, JsonValue] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _shown(record.getMessage(), trail),
            **_of_trail(trail),
            **_fields(record),
        }
        if (traceback := _traceback(self, record)) is not None:
            line["exception"] = _shown(traceback, trail)
        return json.dumps(line, ensure_ascii=True, default=str)


class TextLines(logging.Formatter):
    """One line for people, and a traceback indented under it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        trail = current()
        fields = {**_of_trail(trail), **_fields(record)}
        told = " ".join(f"{name}={_quoted(value)}" for name, value in fields.items())
        message = _printable(_shown(record.getMessage(), trail))
        line = f"{_time(record)} {record.levelname:7} {record.name}: {message}{'  ' if told else ''}{told}"
        if (traceback := _traceback(self, record)) is None:
            return line
        below = (f"    {_printable(one)}" for one in _shown(traceback, trail).split("\n"))
        return "\n".join((line, *below))


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _of_trail(trail: Trail) -> dict[str, JsonValue]:
    """Return whose record it is, as far as that is known."""
    traceparent = trail.span.traceparent
    known: Mapping[str, JsonValue] = {
        "request_id": trail.request_id,
        "job": trail.job,
        "tenant": trail.tenant,
        "trace_id": None if traceparent is None else traceparent.split("-")[1],
    }
    return {name: value for name, value in known.items() if value is not None}


def _fields(record: logging.LogRecord) -> dict[str, JsonValue]:
    fields: Mapping[str, JsonValue] = getattr(record, FIELDS, {})
    return {name: value for name, value in fields.items() if value is not None}


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str | None:
    if not record.exc_info or record.exc_info[0] is None:
        return None
    return formatter.formatException(record.exc_info)


def _shown(text: str, trail: Trail) -> str:
    """Return a text without what is to be hidden, as it is, as Python would write it, or as JSON would."""
    spellings: tuple[Callable[[str], str], ...] = (
        str,
        lambda one: repr(one)[1:-1],
        lambda one: json.dumps(one)[1:-1],
    )
    for hidden in sorted(trail.hidden, key=len, reverse=True):
        if len(hidden) >= _LEAST_HIDDEN:
            for spelling in spellings:
                text = text.replace(spelling(hidden), "[prompt]")
    return text


def _printable(text: str) -> str:
    """Return a text in which whatever is no printable character, and the backslash, is written as an escape."""
    return "".join(
        one if one.isprintable() and one != "\\" else one.encode("unicode_escape").decode("ascii")
        for one in text
    )


def _quoted(value: JsonValue) -> str:
    """Return a value as it is where it cannot be taken for something else, or as JSON."""
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=True, default=str)
