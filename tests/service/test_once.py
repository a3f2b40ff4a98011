import asyncio
import json
import math

import pytest
from starlette.requests import Request
from starlette.responses import Response

from service.draining import Draining
from service.errors import StateUnavailableError, StillRunningError
from service.routes.once import LOOK_EVERY_S, Once
from service.state.answers import Running
from service.state.memory_answers import MemoryAnswers


def request(key, body):
    async def receive():
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

    headers = [(b"idempotency-key", key.encode())]
    scope = {"type": "http", "method": "POST", "path": "/generate", "query_string": b"", "headers": headers}
    return Request(scope | {"server": ("127.0.0.1", 80), "scheme": "http"}, receive)


async def answered(answers, tenant, text, draining=None):
    once = await Once.of(request("one", {"prompt": "a cat"}), answers, draining or Draining(), tenant)

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
    kept_s = 0.9
    monkeypatch.setattr("service.routes.once.WAITED_LONGER_S", -kept_s)
    answers = MemoryAnswers(running_kept_s=kept_s)

    async def both():
        began, over = asyncio.Event(), asyncio.Event()

        async def slow():
            began.set()
            await over.wait()
            return Response("slow", media_type="text/plain")

        once = await Once.of(request("one", {"prompt": "a cat"}), answers, Draining(), "shop")
        making = asyncio.create_task(once.answer(slow))
        await began.wait()
        await asyncio.sleep(1.5 * kept_s)
        with pytest.raises(StillRunningError) as refused:
            await answered(answers, "shop", "early")
        assert 0 < refused.value.retry_after_s <= kept_s
        over.set()
        await making
        await once.end()
        return await answered(answers, "shop", "late")

    assert asyncio.run(both()) == b"slow"


def test_who_repeats_a_request_waits_for_its_answer():
    answers = MemoryAnswers()

    async def both():
        began = asyncio.Event()

        async def slow():
            began.set()
            await asyncio.sleep(1)
            return Response("slow", media_type="text/plain")

        once = await Once.of(request("one", {"prompt": "a cat"}), answers, Draining(), "shop")
        making = asyncio.create_task(once.answer(slow))
        await began.wait()
        waiting = [asyncio.create_task(answered(answers, "shop", "another")) for _ in range(3)]
        await making
        await once.end()
        return await asyncio.gather(*waiting)

    assert asyncio.run(both()) == [b"slow"] * 3


def test_one_of_those_that_wait_takes_over_from_a_replica_that_is_gone():
    answers = MemoryAnswers(running_kept_s=1)

    async def several():
        began = asyncio.Event()

        async def killed():
            began.set()
            await asyncio.sleep(600)
            raise AssertionError

        gone = await Once.of(request("one", {"prompt": "a cat"}), answers, Draining(), "shop")
        making = asyncio.create_task(gone.answer(killed))
        await began.wait()
        gone._renewing.cancel()  # as a SIGKILL does
        waiting = [answered(answers, "shop", f"made by {number}") for number in range(3)]
        bodies = await asyncio.gather(*waiting)
        making.cancel()
        return bodies

    bodies = asyncio.run(several())
    assert len(set(bodies)) == 1
    assert bodies[0].startswith(b"made by")


def test_who_waits_is_let_go_at_a_shutdown_and_told_when_to_ask_another():
    answers, draining = MemoryAnswers(running_kept_s=20), Draining()

    async def both():
        began = asyncio.Event()

        async def endless():
            began.set()
            await asyncio.sleep(600)
            raise AssertionError

        first = await Once.of(request("one", {"prompt": "a cat"}), answers, draining, "shop")
        making = asyncio.create_task(first.answer(endless))
        await began.wait()
        waiting = asyncio.create_task(answered(answers, "shop", "another", draining))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        draining.begin()  # until it leaves, requests are served
        await asyncio.sleep(3 * LOOK_EVERY_S)
        assert not waiting.done()
        draining.leave()
        with pytest.raises(StillRunningError) as refused:
            await waiting
        making.cancel()
        return refused.value

    refused = asyncio.run(asyncio.wait_for(both(), 120))
    assert 0 < refused.retry_after_s <= 20
    assert f"{math.ceil(refused.retry_after_s)} seconds" in refused.cure


class Leaving(MemoryAnswers):
    """Is away for a while once something has begun."""

    away = 0

    def begin(self, key, digest):
        begun = super().begin(key, digest)
        if isinstance(begun, Running) and self.away < 3:
            self.away += 1
            if self.away > 1:
                raise StateUnavailableError(5)
        return begun


def test_what_another_is_known_to_make_is_not_made_twice_for_an_outage():
    answers = Leaving()

    async def both():
        first = await Once.of(request("one", {"prompt": "a cat"}), answers, Draining(), "shop")

        began = asyncio.Event()

        async def slow():
            began.set()
            while answers.away < 3:
                await asyncio.sleep(0.05)
            return Response("slow", media_type="text/plain")

        making = asyncio.create_task(first.answer(slow))
        await began.wait()
        body = await answered(answers, "shop", "another")
        await making
        await first.end()
        return body

    assert asyncio.run(asyncio.wait_for(both(), 120)) == b"slow"
