"""A client that vanishes and one that does not read: others have their rows at the next step.

The service makes one image at a time, so what a client holds is what the next one waits for. Steps are timed by the
events of the image that runs.
"""

from __future__ import annotations

import json
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx2

from benchmarks.service.part import Part
from benchmarks.service.replicas import replica, usage_of

READ_TIMEOUT_S = 2.0
ALLOWED_STEPS = 3.0
"""The step that runs, the next one's own first, and one for the way of the news."""
ALLOWED_LATER = 1.2
LONG = {"prompt": "a photo of a doctor", "num_inference_steps": 900, "stream": True}
NEXT = {"prompt": "a photo of a judge", "num_inference_steps": 2, "stream": True}


def run(is_quick: bool) -> Part:
    """Have clients vanish, and one not read, while another waits."""
    settings = {"max_batch_rows": 2, "max_steps": 1000, "read_timeout_s": READ_TIMEOUT_S}
    with replica(**settings) as served:
        _steps(served.url, {**NEXT, "num_inference_steps": 50})
        waits = [_after_vanishing(served.url) for _ in range(3 if is_quick else 20)]
        steps = 60 if is_quick else 900
        read, unread = _behind(served.url, steps, reads=True), _behind(served.url, steps, reads=False)
        before = usage_of(served).file_descriptors
        gone_s = _cut_off_after_s(served.url)
        after = usage_of(served).file_descriptors
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
            "a client that reads nothing of an answer of megabytes is cut off after, s": gone_s,
            "read_timeout_s": READ_TIMEOUT_S,
            "file descriptors, before and after": [before, after],
        },
    )


def _events(url: str, body: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the name of every event, and when it came."""
    with httpx2.stream("POST", f"{url}/generate", json=body, timeout=600) as answer:
        for line in answer.iter_lines():
            if line.startswith("event: "):
                yield line.removeprefix("event: "), time.perf_counter()


def _steps(url: str, body: dict[str, Any]) -> list[float]:
    return [when for name, when in _events(url, body) if name == "step"]


def _after_vanishing(url: str) -> float:
    """Return how many steps it takes until the next one's image has taken its first, after the client before left."""
    running = _events(url, LONG)
    began = [when for (name, when), _ in zip(running, range(30), strict=False) if name == "step"]
    step_s = (began[-1] - began[5]) / (len(began) - 6)
    first: list[float] = []
    waiting = threading.Thread(target=lambda: first.extend(_steps(url, NEXT)))
    waiting.start()
    for _ in zip(running, range(int(0.5 / step_s)), strict=False):
        pass  # meanwhile the other has come to wait
    left = time.perf_counter()
    running.close()  # type: ignore[attr-defined]  # a generator: its connection is closed
    waiting.join()
    return (first[0] - left) / step_s


def _behind(url: str, steps: int, *, reads: bool) -> float:
    """Return how long a request waits behind one of so many steps, until its first step."""
    body = {**LONG, "num_inference_steps": steps, "preview_every": 1}
    with _asked(url, body) as connection:
        connection.recv(10)
        ended = threading.Event()
        reader = threading.Thread(target=_read_all, args=(connection, ended))
        if reads:
            reader.start()
        begin = time.perf_counter()
        first = _steps(url, NEXT)[0]
        ended.set()
        if reads:
            reader.join()
    return first - begin


def _cut_off_after_s(url: str) -> float | None:
    """Return when a client is cut off that reads no more than the beginning of a large answer; None for never."""
    body = {
        "prompt": "a photo of a doctor",
        "num_images": 8,
        "num_inference_steps": 1,
        "height": 256,
        "width": 256,
    }
    with _asked(url, body) as connection:
        connection.recv(10)
        begin = time.perf_counter()
        while time.perf_counter() - begin < 10 * READ_TIMEOUT_S:
            time.sleep(0.1)
            # What is lost is told to who writes.
            try:
                connection.send(b"\r\n")
            except OSError:
                return round(time.perf_counter() - begin, 1)
    return None


@contextmanager
def _asked(url: str, body: dict[str, Any]) -> Iterator[socket.socket]:
    """Send a request on a connection that takes little in advance."""
    host, _, port = url.removeprefix("http://").partition(":")
    sent = json.dumps(body).encode()
    head = (
        "POST /generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(sent)}\r\n\r\n"
    )
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(600)
        connection.connect((host, int(port)))
        connection.sendall(head.encode() + sent)
        yield connection


def _read_all(connection: socket.socket, ended: threading.Event) -> None:
    connection.settimeout(0.2)
    while not ended.is_set():
        with suppress(TimeoutError):
            if not connection.recv(65536):
                return
