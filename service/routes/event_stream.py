"""A request that is answered with server-sent events while its images are made.

Entry points: `streamed`, and the answer, `EventStream`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TypeAlias

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from service.callers import Caller
from service.feed import Silence, feed
from service.generated import Generated
from service.happenings import Happening, Previewed
from service.http_errors import code_of, explained
from service.observability.trail import current
from service.schemas import GenerateRequest
from service.serving import Serving
from service.wire.event import Event, Words

SILENCE_S = 15.0
"""Proxies close connections on which nothing is sent for long, many after a minute."""

_KEEP_ALIVE = b": nothing new\n\n"

Happened: TypeAlias = Happening | Silence | Generated
Keep: TypeAlias = Callable[[bytes], Awaitable[None]]


async def streamed(
    serving: Serving,
    request: GenerateRequest,
    caller: Caller,
    gone: asyncio.Event,
    words: Words,
    preview_every: int | None = None,
) -> "EventStream":
    """Begin to make the images, and return the stream of what happens.

    Waits for the first happening, so that what is refused at once is raised here and answered like everywhere.
    """
    happenings = feed(
        lambda told: serving.generate(request, caller, gone, told, preview_every), silence_s=SILENCE_S
    )
    first = await anext(happenings)
    return EventStream(serving, first, happenings, words)


class EventStream(StreamingResponse):
    """Tells a client what happens to its request; a client that leaves gives the request up."""

    media_type = "text/event-stream"

    def __init__(
        self, serving: Serving, first: Happened, others: AsyncGenerator[Happened, None], words: Words
    ) -> None:
        # Nginx would hold events back until there are some kilobytes of them.
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(self._written(first, others), headers=headers)
        self._serving, self._words = serving, words
        self._path = "/"
        self._outcome = "cancelled"
        self._counted: Callable[[str], None] | None = None
        self._keep: Keep | None = None

    def counted_by(self, count: Callable[[str], None]) -> None:
        """Have the outcome counted once the stream has ended: ok, or an error's code."""
        self._counted = count

    def kept_by(self, keep: Keep) -> None:
        """Have the images' events kept, before they are sent."""
        self._keep = keep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        self._path = scope["path"]
        try:
            await super().__call__(scope, receive, send)
        finally:
            current().outcome = self._outcome
            if self._counted is not None:
                self._counted(self._outcome)

    async def stream_response(self, send: Send) -> None:
        """Send the events, and give up what is not made by the time this ends."""
        async with aclosing(self._events):
            await super().stream_response(send)

    @property
    def _events(self) -> AsyncGenerator[bytes, None]:
        assert isinstance(self.body_iterator, AsyncGenerator), "it was made here"
        return self.body_iterator

    async def _written(
        self, first: Happened, others: AsyncGenerator[Happened, None]
    ) -> AsyncGenerator[bytes, None]:
        async with aclosing(others):
            try:
                yield await self._worded(first)
                async for happened in others:
                    yield await self._worded(happened)
            except Exception as error:
                self._outcome = code_of(error)
                yield self._words.failed(*explained(error, self._path)).encoded()

    async def _worded(self, happened: Happened) -> bytes:
        match happened:
            case Silence():
                return _KEEP_ALIVE
            case Generated():
                made = await self._serving.encoded(lambda: _joined(self._words.made(happened)))
                if self._keep is not None:
                    await self._keep(made)
                self._outcome = "ok"
                return made
            case Previewed():
                return await asyncio.to_thread(lambda: _joined(self._words.happened(happened)))
            case _:
                return _joined(self._words.happened(happened))


def _joined(events: Sequence[Event]) -> bytes:
    return b"".join(event.encoded() for event in events)
