"""One server-sent event, and who words it.

Entry points: `Event`, and `Words`, which a wire format has to implement to be streamed in.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fastapi.sse import format_sse_event
from pydantic import JsonValue

from service.generated import Generated
from service.happenings import Happening
from service.schemas import ErrorDetail


@dataclass(frozen=True)
class Event:
    """A server-sent event, with JSON as its data."""

    name: str
    data: Mapping[str, JsonValue]

    def encoded(self) -> bytes:
        """Return it as it goes over the wire."""
        return format_sse_event(event=self.name, data_str=json.dumps(self.data, ensure_ascii=True))


class Words(Protocol):
    """How a wire format tells of one request. Its calls compress pictures: not for the event loop."""

    def happened(self, happening: Happening) -> Sequence[Event]:
        """Return what is told of a happening, which may be nothing."""
        ...

    def made(self, generated: Generated) -> Sequence[Event]:
        """Return what is told of the finished images; raises what refuses them."""
        ...

    def failed(self, status: int, detail: ErrorDetail) -> Event:
        """Return what ends a stream that cannot be finished; the status is what would have been answered."""
        ...
