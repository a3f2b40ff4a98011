"""A client that vanishes and one that does not read: others have their rows at the next step.

The service has room for two images, the least that it ever has, and a client asks for both: what it holds is what the
next one waits for. Steps are timed by the events of the first image that runs.
"""

from __future__ import annotations

import json
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

import httpx2

from benchmarks.faults.processes import Replica
from benchmarks.service.part import Part
from benchmarks.service.replicas import replica, usage_of

READ_TIMEOUT_S = 2.0
ALLOWED_STEPS = 3.0
"""The step that runs, the next one's own first, and one for the way of the news."""
ALLOWED_LATER = 1.2
LONG = {"prompt": "a photo of a doctor", "num_images": 2, "num_inference_steps": 900, "stream": True}
NEXT = {"prompt": "a photo of a judge", "num_inference_steps": 2, "stream": True}


def run(is_quick: bool) -> Part:
    """Have clients vanish, and one not read, while another waits."""
    settings = {
        "max_batch_rows": 4,
        "max_steps": 1000,
        "read_timeout_s": READ_TIMEOUT_S,
        "png_compression": 0,
    }
    with replica(**settings) as served:
        list(_steps(served.url, {**NEXT, "num_inference_steps": 50}))
        waits = [_after_vanishing(served.url) for _ in range(3 if is_quick else 20)]
        steps = 60 if is_quick else 900
        read, unread = _behind(served.url, steps, reads=True), _behind(served.url, steps, reads=False)
        gone_s = _cut_off_after_s(served)
    in_steps = statistics.median(waits)
    return Part(
        claim="the rows of a client that vanishes are free at the next step; one that reads nothing holds them no "
        "longer than one that reads, and is cut off",
        holds=in_steps <= ALLOWED_STEPS and unread <= ALLOWED_LATER * read and gone_s is not None,
        figures={
            "from a client's vanishing to the next one's first step, in steps, median": round(in_steps, 2),
            "the same, every time": [round(one, 2) for one in waits],
            f"wait behind {steps} steps whose client reads, s": round(read, 2),
            f"wait behind {steps} steps whose client reads nothing, s": round(unread, 2),
            f"megabytes that nobody reads are given up after, s (read_timeout_s: {READ_TIMEOUT_S})": gone_s,
        },
    )


def _steps(url: str, body: dict[str, Any]) -> Iterator[float]:
    """Yield when each step of the first image was told."""
    with httpx2.stream("POST", f"{url}/generate", json=body, timeout=600) as answer:
        name = ""
        for line in answer.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data" and name == "step" and json.loads(value)["image"] == 0:
                yield time.perf_counter()


def _after_vanishing(url: str) -> float:
    """Return how many steps it takes until the next one's image has taken its first, after the client before left."""
    running = _steps(url, LONG)
    began = list(islice(running, 30))
    step_s = (began[-1] - began[5]) / (len(began) - 6)
    first: list[float] = []
    waiting = threading.Thread(target=lambda: first.extend(_steps(url, NEXT)))
    waiting.start()
    for _ in islice(running, int(0.5 / step_s)):
        pass  # meanwhile the other has come to wait
    assert not first, "the next one found room, so it says nothing of the one before"
    left = time.perf_counter()
    running.close()  # type: ignore[attr-defined]  # a generator: its connection is closed
    waiting.join()
    return (first[0] - left) / step_s


def _behind(url: str, steps: int, *, reads: bool) -> float:
    """Return how long a request waits behind one of so many steps, until its first step."""
    body = {**LONG, "num_inference_steps": steps, "preview_every": 1}
    with _asked(url, body) as connection:
        ended = threading.Event()
        reader = threading.Thread(target=_read_all, args=(connection, ended))
        if reads:
            reader.start()
        begin = time.perf_counter()
        first = next(_steps(url, NEXT))
        ended.set()
        if reads:
            reader.join()
    return first - begin


def _cut_off_after_s(served: Replica) -> float | None:
    """Return when the service closes the connection of a client that reads the beginning of megabytes; None for never.

    What the system has taken by then is still kept for the client, who sees no end of it: so the service is asked.
    """
    body = {"prompt": "a photo of a doctor", "num_images": 8, "num_inference_steps": 1}
    time.sleep(2 * READ_TIMEOUT_S)  # until the connections of those before are closed
    with _asked(served.url, {**body, "height": 512, "width": 512}):
        begin, held = time.perf_counter(), usage_of(served).file_descriptors
        while (waited_s := time.perf_counter() - begin) < 10 * READ_TIMEOUT_S:
            if usage_of(served).file_descriptors < held:
                return round(waited_s, 1)
            time.sleep(0.05)
    return None


@contextmanager
def _asked(url: str, body: dict[str, Any]) -> Iterator[socket.socket]:
    """Send a request on a connection that takes little in advance."""
    host, _, port = url.removeprefix("http://").partition(":")
    sent = json.dumps(body).encode()
    head = (
        f"POST /generate HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(sent)}\r\n\r\n"
    )
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(600)
        connection.connect((host, int(port)))
        connection.sendall(head.encode() + sent)
        assert connection.recv(12) == b"HTTP/1.1 200", "the request was refused"
        yield connection


def _read_all(connection: socket.socket, ended: threading.Event) -> None:
    connection.settimeout(0.2)
    while not ended.is_set():
        with suppress(TimeoutError):
            if not connection.recv(65536):
                return
