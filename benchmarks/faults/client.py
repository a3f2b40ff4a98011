"""A client that knows several replicas: it asks them in turn, waits where it is told to, and asks again.

Entry points: `Client`, `GaveUpError`.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2

ASK_AGAIN_S = 0.3
LONGEST_WAIT_S = 2.0
"""A Retry-After is followed, but not for longer: another replica may have room."""


class GaveUpError(Exception):
    """No replica gave an answer in time."""


@dataclass(frozen=True)
class Followed:
    """One ending of a job as its events told it."""

    images: Sequence[Mapping[str, Any]]
    error: Mapping[str, Any] | None


class Client:
    """Asks replicas in turn; for one thread."""

    def __init__(self, urls: Sequence[str], first: int, patience_s: float) -> None:
        """Begin with replica `first`; after `patience_s` without an answer a call raises GaveUpError."""
        self._turns = itertools.cycle([*urls[first:], *urls[:first]])
        self._patience_s = patience_s
        self._http = httpx2.Client(timeout=httpx2.Timeout(60, connect=2))

    def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """Return the first answer that is more than "come back later"."""
        deadline = time.monotonic() + self._patience_s
        while time.monotonic() < deadline:
            try:
                answer = self._http.request(method, next(self._turns) + path, json=body, headers=headers)
            except httpx2.TransportError:
                time.sleep(ASK_AGAIN_S)
                continue
            # 409: the same request is being answered, by a replica that may not live any more.
            if answer.status_code not in (409, 429, 503):
                return answer
            time.sleep(min(float(answer.headers.get("retry-after", ASK_AGAIN_S)), LONGEST_WAIT_S))
        raise GaveUpError(f"{method} {path}")

    def follow(self, path: str) -> list[Followed]:
        """Return how a job ended, as often as it was told, however often the connection breaks."""
        deadline = time.monotonic() + self._patience_s
        heard: dict[str, str] = {}
        endings: list[Followed] = []
        while time.monotonic() < deadline:
            try:
                with self._http.stream("GET", next(self._turns) + path, headers=heard) as answer:
                    if answer.status_code == 204 or (answer.status_code == 404 and endings):
                        return endings
                    if answer.status_code == 404:
                        return [Followed([], json.loads(answer.read())["error"])]
                    images = []
                    for name, data, id in _events(answer):
                        if id is not None:
                            heard = {"Last-Event-ID": id}
                        if name == "image":
                            images.append(data)
                        elif name in ("done", "error"):
                            endings.append(Followed(images, data.get("error")))
            except httpx2.TransportError:
                pass
            time.sleep(ASK_AGAIN_S)
        raise GaveUpError(f"GET {path}")


def _events(answer: httpx2.Response) -> Iterator[tuple[str, Any, str | None]]:
    """Yield the events of an answer as they come; nothing where it is none."""
    if answer.status_code != 200:
        return
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if not line and fields:
            yield fields.get("event", "message"), json.loads(fields["data"]), fields.get("id")
            fields = {}
        elif line and not line.startswith(":"):
            key, _, value = line.partition(": ")
            fields[key] = value
