import asyncio
import json

import pytest
from starlette.requests import Request
from starlette.responses import Response

from service.errors import StillRunningError
from service.routes.once import Once
from service.state.memory_answers import MemoryAnswers


def request(key, body):
    async def receive():
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

    headers = [(b"idempotency-key", key.encode())]
    scope = {"type": "http", "method": "POST", "path": "/generate", "query_string": b"", "headers": headers}
    return Request(scope | {"server": ("127.0.0.1", 80), "scheme": "http"}, receive)


async def answered(answers, tenant, text):
    once = await Once.of(request("one", {"prompt": "a cat"}), answers, tenant)

    async def make():
        return Response(text, media_type="text/plain")

    try:
        return (await once.answer(make)).body
    finally:
        await once.end()


def test_a_key_is_its_tenants_own():
    answers = MemoryAnswers()

    async def both():
        first = await answered(answers, "shop", "the shop's")
        other = await answered(answers, "paper", "the paper's")
        return first, other, await answered(answers, "shop", "another")

    assert asyncio.run(both()) == (b"the shop's", b"the paper's", b"the shop's")


def test_a_key_stays_taken_while_its_answer_is_made(monkeypatch):
    """Longer than the store keeps it by itself."""
    monkeypatch.setattr("service.routes.once.RUNNING_KEPT_S", 0.15)
    answers = MemoryAnswers(running_kept_s=0.15)

    async def slow():
        await asyncio.sleep(0.5)
        return Response("slow", media_type="text/plain")

    async def both():
        once = await Once.of(request("one", {"prompt": "a cat"}), answers, "shop")
        making = asyncio.create_task(once.answer(slow))
        await asyncio.sleep(0.4)
        with pytest.raises(StillRunningError):
            await answered(answers, "shop", "early")
        await making
        await once.end()
        return await answered(answers, "shop", "late")

    assert asyncio.run(both()) == b"slow"
