"""What a connection may take before it is cut: time for its head, a reader that does not read.

Entry point: `limited_protocol`. uvicorn times connections only between two requests; `service.body_limit` times bodies,
`service.connection_limit` answers on connections that are too many.
"""

import asyncio
from typing import ClassVar, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from service.connection_limit import surplus
from service.settings import Settings

_AT_ONCE_BYTES: Final = 2048
"""How much more than the parser's 16 KiB a head may have, at most."""


class LimitedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 connection, with limits."""

    header_timeout_s: ClassVar[float]
    read_timeout_s: ClassVar[float]
    max_connections: ClassVar[int]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        # Whatever the kernel does not take at once counts as unread.
        transport.set_write_buffer_limits(high=0)
        self._head_due: asyncio.TimerHandle | None = None
        self._reading_due: asyncio.TimerHandle | None = None
        self._unread_bytes = 0
        if len(self.connections) > self.max_connections:
            self.app = surplus(self.app)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._head_arrived()
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what comes; from a head's first byte on the rest of it is due."""
        # The parser bounds only what it has of a head that is not whole: of one that came at once it would take all.
        for start in range(0, len(data), _AT_ONCE_BYTES):
            if not self.transport.is_closing():
                super().data_received(data[start : start + _AT_ONCE_BYTES])
        if self.cycle is not None and not self.cycle.response_complete:
            self._head_arrived()
        else:
            self._expect_head()

    def pause_writing(self) -> None:
        """Begin to watch whether the client reads."""
        super().pause_writing()
        self._stop_watching()
        self._watch()

    def resume_writing(self) -> None:
        """The client has read all there was."""
        super().resume_writing()
        self._stop_watching()

    def _expect_head(self) -> None:
        if self._head_due is None:
            self._head_due = self.loop.call_later(self.header_timeout_s, self.transport.abort)

    def _head_arrived(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _watch(self) -> None:
        self._unread_bytes = self.transport.get_write_buffer_size()
        self._reading_due = self.loop.call_later(self.read_timeout_s, self._check_reader)

    def _check_reader(self) -> None:
        """Cut a client off that has read nothing for so long; what is made for it is given up."""
        if self.transport.get_write_buffer_size() < self._unread_bytes:
            self._watch()
        else:
            self.transport.abort()

    def _stop_watching(self) -> None:
        if self._reading_due is not None:
            self._reading_due.cancel()
            self._reading_due = None


def limited_protocol(settings: Settings) -> type[LimitedProtocol]:
    """Return the protocol with the limits of these settings, for uvicorn, which makes its connections itself."""

    class Limited(LimitedProtocol):
        header_timeout_s = settings.header_timeout_s
        read_timeout_s = settings.read_timeout_s
        max_connections = settings.max_connections

    return Limited
