"""Answers that are given again by a single process.

Entry point: `MemoryAnswers`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

from service.state.answers import (
    ANSWER_KEPT_S,
    RUNNING_KEPT_S,
    Begun,
    Different,
    Fresh,
    Kept,
    Running,
    digest_in,
    new_token,
)

MAX_KEPT_BYTES: Final = 256 * 1024 * 1024
"""Of more, the answers that were kept longest ago are forgotten."""


@dataclass(frozen=True)
class _Request:
    digest: str
    begun: Fresh | Kept
    until_s: float


class MemoryAnswers:
    """An `answers.Answers` for the threads of one process."""

    def __init__(
        self,
        *,
        running_kept_s: float = RUNNING_KEPT_S,
        max_kept_bytes: int = MAX_KEPT_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests: dict[str, _Request] = {}
        self._kept_bytes = 0
        self.running_kept_s = running_kept_s
        self._max_kept_bytes = max_kept_bytes
        self._clock = clock
        self._lock = Lock()

    def begin(self, key: str, digest: str) -> Begun:
        """Return whose the request with this key is."""
        with self._lock:
            self._forget_old()
            request = self._requests.get(key)
            if request is None:
                token = new_token(digest)
                self._requests[key] = self._running(token)
                return Fresh(token)
            if request.digest != digest:
                return Different()
            if isinstance(request.begun, Kept):
                return request.begun
            return Running(request.until_s - self._clock())

    def renew(self, key: str, token: str) -> None:
        """Keep it the caller's for as long again."""
        with self._lock:
            if self._is_callers(key, token):
                self._requests[key] = self._running(token)

    def keep(self, key: str, token: str, answer: Kept) -> None:
        """Keep its answer; those kept longest ago make room for it."""
        with self._lock:
            if self._is_callers(key, token):
                self._requests.pop(key, None)
                self._requests[key] = _Request(digest_in(token), answer, self._clock() + ANSWER_KEPT_S)
                self._kept_bytes += len(answer.body)
                self._make_room()

    def forget(self, key: str, token: str) -> None:
        """Let the next try be a fresh one."""
        with self._lock:
            if self._is_callers(key, token):
                self._requests.pop(key, None)

    def _running(self, token: str) -> _Request:
        return _Request(digest_in(token), Fresh(token), self._clock() + self.running_kept_s)

    def _is_callers(self, key: str, token: str) -> bool:
        """Whether nobody else has begun it since."""
        request = self._requests.get(key)
        return request is None or request.begun == Fresh(token)

    def _forget_old(self) -> None:
        now_s = self._clock()
        for key in [key for key, request in self._requests.items() if request.until_s <= now_s]:
            self._forget(key)

    def _make_room(self) -> None:
        kept = [key for key, request in self._requests.items() if isinstance(request.begun, Kept)]
        for key in kept:
            if self._kept_bytes <= self._max_kept_bytes:
                return
            self._forget(key)

    def _forget(self, key: str) -> None:
        request = self._requests.pop(key)
        if isinstance(request.begun, Kept):
            self._kept_bytes -= len(request.begun.body)
