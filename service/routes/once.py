"""Idempotency keys: a request that a client sends twice with one key is made once, and answered alike twice.

Entry point: `Once`, one request's way through the store of answers.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from service import degraded_header
from service.draining import Draining
from service.errors import KeyReusedError, StateUnavailableError, StillRunningError, UnusableKeyError
from service.routes.event_stream import EventStream
from service.state.answers import Answers, Different, Fresh, Kept, Running

logger = logging.getLogger(__name__)

HEADER: Final = "Idempotency-Key"
MAX_KEY_CHARACTERS: Final = 255
WAITED_LONGER_S: Final = 5
"""How much longer a request waits for the answer of the first one with its key than one outlives its replica."""
LOOK_EVERY_S: Final = 0.5
"""How often it looks meanwhile."""
FORGET_EVERY_S: Final = 3
"""How often letting go of a key is tried again while the shared state is away."""

_FORGETTING: set[asyncio.Task[None]] = set()
"""Kept here until they are done: the loop itself keeps no task."""

_OWN_HEADERS = frozenset({"content-length", "content-type"})
"""Headers that follow from the rest of an answer."""


class Once:
    """Makes an answer, or gives the one that the request's key was given before.

    While the first request with a key is being answered, those that repeat it wait; one whose replica is gone is made
    anew by the first of them. Failures are not kept: the next try is a fresh one. Without a key every request is its
    own. Where the shared state cannot be reached the request is answered all the same, and the answer says that it is
    not kept.
    """

    def __init__(self, answers: Answers, draining: Draining, key: str | None, digest: str) -> None:
        """Those that wait are let go once the replica leaves: another one answers them."""
        self._answers, self._draining = answers, draining
        self._key, self._digest = key, digest
        self._token: str | None = None
        self._renewing: asyncio.Task[None] | None = None

    @classmethod
    async def of(cls, request: Request, answers: Answers, draining: Draining, tenant: str) -> "Once":
        """Return the way of a request whose body has been read; raises UnusableKeyError."""
        sent = request.headers.get(HEADER)
        if sent is None:
            return cls(answers, draining, None, "")
        if not 1 <= len(sent) <= MAX_KEY_CHARACTERS:
            raise UnusableKeyError(
                f"An Idempotency-Key of {len(sent)} characters cannot be used.",
                field=HEADER,
                value=sent,
                cure=f"Send 1 to {MAX_KEY_CHARACTERS} characters, such as a UUID.",
            )
        asked = (request.url.path.encode(), request.headers.get("accept", "").encode(), await request.body())
        return cls(answers, draining, _digest(tenant.encode(), sent.encode()), _digest(*asked))

    async def answer(self, make: Callable[[], Awaitable[Response]]) -> Response:
        """Return what `make` returns, kept for the next time; or what was kept.

        Raises KeyReusedError, StillRunningError, and what `make` raises.
        """
        if self._key is None:
            return await make()
        try:
            kept = await self._begun(self._key)
        except StateUnavailableError:
            logger.warning("An answer is made without its key: the shared state cannot be reached.")
            response = await make()
            response.headers[degraded_header.HEADER] = "idempotency"
            return response
        if kept is not None:
            headers = {**kept.headers, "Idempotent-Replayed": "true"}
            return Response(kept.body, kept.status, headers, media_type=kept.media_type)
        response = await make()
        if isinstance(response, EventStream):
            response.kept_by(lambda body: self._keep(response, body))
        else:
            await self._keep(response, bytes(response.body))
        return response

    async def end(self) -> None:
        """Let go of a key whose answer was not kept."""
        if self._renewing is not None:
            self._renewing.cancel()
        if self._key is not None and self._token is not None:
            token, self._token = self._token, None
            try:
                await asyncio.shield(asyncio.to_thread(self._answers.forget, self._key, token))
            except StateUnavailableError:
                logger.warning("A key stays taken for a while: the shared state cannot be reached.")
                forgetting = asyncio.create_task(self._forget_later(self._key, token))
                _FORGETTING.add(forgetting)
                forgetting.add_done_callback(_FORGETTING.discard)

    async def _begun(self, key: str) -> Kept | None:
        """Return the answer that is kept, also by who is at it; take the key where there is none."""
        begun = await asyncio.to_thread(self._answers.begin, key, self._digest)
        gives_up_s = time.monotonic() + self._answers.running_kept_s + WAITED_LONGER_S
        while isinstance(begun, Running):
            if time.monotonic() > gives_up_s or await self._draining.leaves_within(LOOK_EVERY_S):
                raise StillRunningError(begun.lapses_s)
            # Where the shared state goes away now, that another is at it holds as long as it was to.
            with suppress(StateUnavailableError):
                begun = await asyncio.to_thread(self._answers.begin, key, self._digest)
        match begun:
            case Fresh(token):
                self._token = token
                self._renewing = asyncio.create_task(self._renew(key, token))
                return None
            case Different():
                raise KeyReusedError(
                    "This Idempotency-Key came with another request before.",
                    field=HEADER,
                    cure="Send a new key with a new request; a repeated one has the same address, Accept and body.",
                )
            case Kept() as kept:
                return kept

    async def _keep(self, response: Response, body: bytes) -> None:
        assert self._key is not None, "it was taken"
        if self._token is None:
            return
        token, self._token = self._token, None
        headers = {
            name: value for name, value in response.headers.items() if name.lower() not in _OWN_HEADERS
        }
        kept = Kept(response.status_code, response.headers["content-type"], headers, body)
        try:
            await asyncio.to_thread(self._answers.keep, self._key, token, kept)
        except StateUnavailableError:
            logger.warning("An answer is not kept: the shared state cannot be reached.")

    async def _forget_later(self, key: str, token: str) -> None:
        """Let go of a key once the shared state is back, so that whoever tries again need not wait for it to lapse."""
        gives_up_s = time.monotonic() + self._answers.running_kept_s
        while time.monotonic() < gives_up_s:
            await asyncio.sleep(FORGET_EVERY_S)
            try:
                await asyncio.to_thread(self._answers.forget, key, token)
            except StateUnavailableError:
                continue
            return

    async def _renew(self, key: str, token: str) -> None:
        while True:
            await asyncio.sleep(self._answers.running_kept_s / 3)
            try:
                await asyncio.to_thread(self._answers.renew, key, token)
            except StateUnavailableError:
                logger.warning("A key may be lost: the shared state cannot be reached.")


def _digest(*parts: bytes) -> str:
    """Return one digest of parts that cannot be mistaken for others."""
    sizes = ",".join(str(len(part)) for part in parts)
    return hashlib.sha256(b"".join((sizes.encode(), b"\n", *parts))).hexdigest()
