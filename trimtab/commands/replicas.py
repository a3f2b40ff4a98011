"""Services in this process, asked as clients ask them: by HTTP requests to their ASGI apps, without a socket.

Entry point: `Replicas`.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from fastapi import FastAPI

    from diffusion import DiffusionModel
    from evaluation.served import Ask, ServedImage
    from service.generation import Generation
    from service.settings import Settings


class Replicas:
    """So many services alike, each with its own model; they share what their settings have them share.

    A context manager: on entering they are started, and it raises EvaluationError where one does not get ready.
    """

    def __init__(self, settings: Settings, count: int, *, steps: int, guidance: float) -> None:
        self.count = count
        self._settings = settings
        self._sampling = {"num_inference_steps": steps, "guidance_scale": guidance}
        self._runner = asyncio.Runner()
        self._running = AsyncExitStack()
        self._apps: list[FastAPI] = []

    def __enter__(self) -> Replicas:
        try:
            self._runner.run(self._start())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._running.aclose())
        self._runner.close()

    @property
    def model(self) -> DiffusionModel:
        """The model that they serve."""
        generation: Generation = self._apps[0].state.readiness.generation()
        return generation.loaded.model

    def serve(self, asks: Sequence[Ask], on_answer: Callable[[int, int], None]) -> list[list[ServedImage]]:
        """Send requests to the replicas in turn, each replica answering one at a time beside the others.

        `on_answer` hears how many of how many are answered. Raises EvaluationError where a request is refused.
        """
        return self._runner.run(self._served(asks, on_answer))

    async def _start(self) -> None:
        from service.app import create_app

        for _ in range(self.count):
            app = create_app(self._settings)
            await self._running.enter_async_context(app.router.lifespan_context(app))
            await _until_ready(app)
            self._apps.append(app)

    async def _served(
        self, asks: Sequence[Ask], on_answer: Callable[[int, int], None]
    ) -> list[list[ServedImage]]:
        answers: dict[int, list[ServedImage]] = {}

        async def work(number: int) -> None:
            for place in range(number, len(asks), len(self._apps)):
                answers[place] = await self._asked(self._apps[number], asks[place])
                on_answer(len(answers), len(asks))

        await asyncio.gather(*(work(number) for number in range(len(self._apps))))
        return [answers[place] for place in range(len(asks))]

    async def _asked(self, app: FastAPI, ask: Ask) -> list[ServedImage]:
        from evaluation import EvaluationError
        from evaluation.served import ServedImage

        body = {
            "prompt": ask.prompt,
            "seed": ask.seed,
            "num_images": ask.images,
            "policy": dict(ask.policy),
            **self._sampling,
        }
        status, answer = await _call(app, "POST", "/generate", body)
        if status != 200:
            raise EvaluationError(f"the service refused {ask.prompt!r}: {_told(answer)}")
        return [
            ServedImage(
                Image.open(io.BytesIO(base64.b64decode(image["b64_json"]))).convert("RGB"),
                tuple(applied["concept"] for applied in image["applied"]),
            )
            for image in answer["images"]
        ]


async def _until_ready(app: FastAPI) -> None:
    """Wait until the model is loaded; raise EvaluationError where it cannot be."""
    from evaluation import EvaluationError

    while True:
        status, answer = await _call(app, "GET", "/readyz")
        if status == 200:
            if answer["status"] != "ready":
                raise EvaluationError(
                    "the state that the replicas are to share cannot be reached: see the log"
                )
            return
        if answer["error"]["code"] != "not_ready":
            raise EvaluationError(f"the service does not get ready: {_told(answer)}")
        await asyncio.sleep(0.05)


async def _call(app: FastAPI, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """Send a request to an ASGI app as a server would; return the status and the JSON of the answer."""
    content = b"" if body is None else json.dumps(body).encode()
    requests = [{"type": "http.request", "body": content, "more_body": False}]
    status, parts = 0, []

    async def receive() -> Any:
        if requests:
            return requests.pop()
        return await asyncio.Event().wait()  # the client stays: it never disconnects

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    headers = [
        (b"host", b"localhost"),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
    ]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": None,
        "server": None,
    }
    await app(scope, receive, send)
    return status, json.loads(b"".join(parts))


def _told(answer: Any) -> str:
    return f"{answer['error']['message']} {answer['error']['cure']}"
