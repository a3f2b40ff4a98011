"""Clients that ask through a gateway again and again, while something is done to what is behind it.

Entry points: `Caller`, `KINDS`, and the bodies that are asked for.
"""

import threading
import time
from collections.abc import Callable

import httpx2
from jobs_over_http import events_of, has_ended
from nginx_gateway import Gateway

PROMPT = "a photo of a doctor"
QUICK = {"prompt": PROMPT, "num_inference_steps": 2, "seed": 7}
LONG = {"prompt": PROMPT, "num_inference_steps": 25, "num_images": 2, "seed": 7}


class Caller:
    """Asks the same again and again, nothing twice, and keeps what was not as it should be."""

    def __init__(self, gateway: Gateway, key: str, ask: Callable[[httpx2.Client], str | None]) -> None:
        self._gateway, self._key, self._ask = gateway, key, ask
        self._ended = threading.Event()
        self.asked, self.wrong = 0, list[str]()

    def run(self) -> None:
        with self._gateway.client(self._key) as client:
            while not self._ended.is_set():
                self.asked += 1
                try:
                    wrong = self._ask(client)
                except httpx2.TransportError as error:
                    wrong = repr(error)
                if wrong is not None:
                    self.wrong.append(wrong)
                self._ended.wait(0.5)

    def end(self) -> None:
        self._ended.set()


def asked_for_images(client: httpx2.Client) -> str | None:
    answer = client.post("/generate", json=QUICK)
    return None if answer.status_code == 200 else answer.text


def asked_for_long(client: httpx2.Client) -> str | None:
    answer = client.post("/generate", json={**LONG, "num_inference_steps": 15})
    return None if answer.status_code == 200 else answer.text


def streamed(client: httpx2.Client) -> str | None:
    answer = client.post("/generate", json={**QUICK, "stream": True})
    is_whole = answer.status_code == 200 and events_of(answer.text)[-1].name == "done"
    return None if is_whole else answer.text


def job_made(client: httpx2.Client) -> str | None:
    accepted = client.post("/jobs", json=QUICK)
    if accepted.status_code != 202:
        return accepted.text
    while True:
        answer = client.get(accepted.headers["location"])
        if answer.status_code != 200 or has_ended(answer.json()):
            return None if answer.status_code == 200 and answer.json()["state"] == "done" else answer.text
        time.sleep(0.05)


KINDS = (asked_for_images, asked_for_long, streamed, job_made)
"""Each returns what was not as it should be, or None."""
