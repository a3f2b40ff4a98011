import asyncio
import time
from contextlib import aclosing

import pytest

from service.feed import MAX_UNHEARD, Silence, feed
from service.generated import Generated
from service.happenings import Queued, Stepped

MADE = Generated(id="one", model="sd1", images=(), queue_s=0, generate_s=0)


async def all_of(work, silence_s=1.0):
    async with aclosing(feed(work, silence_s)) as happenings:
        return [happened async for happened in happenings]


def test_what_is_told_comes_in_order_and_last_what_is_made():
    async def work(told):
        told(Queued(2))
        await asyncio.sleep(0)
        told(Stepped(0, 1, 1))
        return MADE

    assert asyncio.run(all_of(work)) == [Queued(2), Stepped(0, 1, 1), MADE]


def test_silence_is_told_as_often_as_it_lasts():
    silence_s = 0.01

    async def heard():
        over, happened = asyncio.Event(), []

        async def work(told):
            await over.wait()
            return MADE

        async with aclosing(feed(work, silence_s)) as happenings:
            async for happening in happenings:
                happened.append(happening)
                if len(happened) == 3:
                    over.set()
        return happened

    began = time.monotonic()
    *silences, made = asyncio.run(asyncio.wait_for(heard(), 60))
    assert 3 <= len(silences) <= (time.monotonic() - began) / silence_s
    assert set(silences) == {Silence()}
    assert made is MADE


def test_who_reads_slowly_misses_happenings_and_not_what_is_made():
    async def work(told):
        for step in range(2 * MAX_UNHEARD):
            told(Stepped(0, step, 1))
        return MADE

    *steps, made = asyncio.run(all_of(work))
    assert [step.step for step in steps] == list(range(MAX_UNHEARD))
    assert made is MADE


def test_an_error_comes_where_the_work_ended():
    async def work(told):
        told(Queued(1))
        raise ValueError("broken")

    async def heard():
        happenings = feed(work, 1.0)
        assert await anext(happenings) == Queued(1)
        with pytest.raises(ValueError, match="broken"):
            await anext(happenings)

    asyncio.run(heard())


def test_who_stops_reading_cancels_the_work():
    cancelled = False

    async def work(told):
        nonlocal cancelled
        told(Queued(1))
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            cancelled = True
            raise
        return MADE

    async def left():
        async with aclosing(feed(work, 1.0)) as happenings:
            await anext(happenings)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(left())
    assert cancelled
