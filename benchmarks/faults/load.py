"""What several clients ask for while faults happen, and what became of it.

Entry points: `Item`, `items`, `Load`, `Outcome`.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.faults.client import ASK_AGAIN_S, Client, GaveUpError

CLIENTS = 4
PEOPLE = ("doctor", "nurse", "judge", "farmer", "teacher", "chef")


@dataclass(frozen=True)
class Item:
    """One request: a job, or one whose client waits."""

    number: int
    is_job: bool
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What became of one item."""

    item: Item
    ending: Literal["finished", "told", "lost"]
    accepted: bool = True
    job: str | None = None
    why: str | None = None
    """What its client was told instead of images."""
    digest: str | None = None
    endings: int = 1
    """How many its client heard."""


def items(count: int, steps: int) -> list[Item]:
    """Return so many items, jobs and others; what their images are depends on nothing else."""
    return [
        Item(
            number,
            is_job=number // CLIENTS % 2 == 0,
            body={
                "prompt": f"a photo of a {PEOPLE[number % len(PEOPLE)]}",
                "seed": 1000 * number,
                "num_images": 2,
                "num_inference_steps": steps,
            },
        )
        for number in range(count)
    ]


def digest(images: Sequence[Mapping[str, Any]]) -> str:
    """Return what tells these images from others, to the byte."""
    files = "\n".join(image["b64_json"] for image in images)
    return hashlib.sha256(files.encode("ascii")).hexdigest()


class Load:
    """Clients at work on items."""

    def __init__(self, urls: Sequence[str], items: Sequence[Item], patience_s: float) -> None:
        self._urls, self._items, self._patience_s = urls, items, patience_s

    def run(self) -> list[Outcome]:
        """Return what became of each item, once that is known of all."""
        with ThreadPoolExecutor(max_workers=CLIENTS) as pool:
            shares = [self._items[number::CLIENTS] for number in range(CLIENTS)]
            clients = [pool.submit(self._client, *numbered) for numbered in enumerate(shares)]
            return [outcome for client in clients for outcome in client.result()]

    def undisturbed(self) -> dict[int, str]:
        """Return the digest of each item's images, asked for in peace."""
        client = Client(self._urls, 0, self._patience_s)
        return {
            item.number: digest(client.ask("POST", "/generate", item.body).json()["images"])
            for item in self._items
        }

    def _client(self, number: int, share: Sequence[Item]) -> list[Outcome]:
        """Hand in the jobs of a share, wait for the answers of the others, then for the jobs."""
        client = Client(self._urls, number % len(self._urls), self._patience_s)
        jobs = [(item, self._handed_in(client, item)) for item in share if item.is_job]
        outcomes = [self._waited_for(client, item) for item in share if not item.is_job]
        return [*outcomes, *(self._ended(client, item, job) for item, job in jobs)]

    def _handed_in(self, client: Client, item: Item) -> str | None:
        """Return the id of the job that a replica accepted; None where none did."""
        try:
            answer = client.ask("POST", "/jobs", item.body, {"Idempotency-Key": uuid.uuid4().hex})
        except GaveUpError:
            return None
        assert answer.status_code == 202, answer.text
        job: str = answer.json()["id"]
        return job

    def _waited_for(self, client: Client, item: Item) -> Outcome:
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        try:
            answer = client.ask("POST", "/generate", item.body, headers)
        except GaveUpError:
            return Outcome(item, "lost")
        if answer.status_code != 200:
            return Outcome(item, "told", why=answer.json()["error"]["code"])
        return Outcome(item, "finished", digest=digest(answer.json()["images"]))

    def _ended(self, client: Client, item: Item, job: str | None) -> Outcome:
        """Wait for a job: every second one by its events, the others by asking for it."""
        if job is None:
            return Outcome(item, "told", accepted=False, why="not accepted in time")
        try:
            return (
                self._followed(client, item, job) if item.number % 2 else self._asked_for(client, item, job)
            )
        except GaveUpError:
            return Outcome(item, "lost", job=job)

    def _followed(self, client: Client, item: Item, job: str) -> Outcome:
        endings = client.follow(f"/jobs/{job}/events")
        last = endings[-1]
        if last.error is not None:
            return Outcome(item, "told", job=job, why=last.error["code"], endings=len(endings))
        return Outcome(item, "finished", job=job, digest=digest(last.images), endings=len(endings))

    def _asked_for(self, client: Client, item: Item, job: str) -> Outcome:
        deadline = time.monotonic() + self._patience_s
        while time.monotonic() < deadline:
            answer = client.ask("GET", f"/jobs/{job}").json()
            error = answer["error"]
            if error is not None:
                return Outcome(item, "told", job=job, why=error["code"])
            if answer["state"] == "done":
                return Outcome(item, "finished", job=job, digest=digest(answer["answer"]["images"]))
            time.sleep(ASK_AGAIN_S)
        raise GaveUpError(f"GET /jobs/{job}")
