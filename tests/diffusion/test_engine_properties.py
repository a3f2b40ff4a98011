"""Whatever comes and goes, every image ends exactly once, and a finished one is what it would have been alone."""

import asyncio
import gc
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffusion import Engine, EngineFailedError, Event, Failed, Finished, Row, Sampling, Started, Stepped

PATIENCE_S = 120
SAMPLINGS = (
    Sampling(2),
    Sampling(5, guidance_scale=1.0, scheduler="euler"),
    Sampling(4, scheduler="dpm++-2m", height=48, width=32),
    Sampling(3, eta=1.0),
)
ROWS = (
    Row("a dog", seed=1),
    Row("a doctor", seed=2, steering={"woman": 1.0}),
    Row("a doctor", seed=3, steering={"woman": 0.5, "man": -1.0}, preserves_structure=True),
)


@pytest.fixture
def engine(sd1, make_vector, library):
    library.publish(make_vector(sd1))
    library.publish(make_vector(sd1, "man", seed=1, halves="both"))
    return Engine(sd1, library, 12, max_waiting=64)


@pytest.fixture
def alone(engine):
    """The picture of each row with each sampling, made alone."""
    return {
        (row.seed, sampling): np.asarray(engine.generate([row], sampling)[0].image, int)
        for row in ROWS
        for sampling in SAMPLINGS
    }


class Heard:
    """What happened to the images of one call."""

    def __init__(self, count: int) -> None:
        self.events: list[list[Event]] = [[] for _ in range(count)]
        self._left = count
        self.over = threading.Event()

    def __call__(self, event: Event) -> None:
        self.events[event.image].append(event)
        if isinstance(event, Finished | Failed):
            self._left -= 1
            if not self._left:
                self.over.set()


calls = st.lists(
    st.tuples(
        st.lists(st.sampled_from(ROWS), min_size=1, max_size=4),
        st.sampled_from(SAMPLINGS),
        st.sampled_from(["", "one", "two"]),
        st.sampled_from([None, None, None, 0.0, 0.02]),  # seconds until it is given up
        st.sampled_from([None, None, None, 0.01]),  # seconds until it is cancelled
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=calls, no_memory_for=st.sampled_from([99, 99, 7, 5]), seed=st.integers(0, 99))
def test_every_image_ends_once_and_as_if_it_were_alone(engine, alone, calls, no_memory_for, seed):
    def limited(_unet: object, args: Sequence[torch.Tensor]) -> None:
        if len(args[0]) > no_memory_for:
            raise torch.OutOfMemoryError("no room")

    pause = random.Random(seed)
    heard = []
    with engine.model.pipe.unet.register_forward_pre_hook(limited):
        for rows, sampling, tenant, timeout_s, cancelled_after_s in calls:
            hear = Heard(len(rows))
            orders = engine.prepare(rows, sampling)
            submission = engine.submit(orders, hear, tenant=tenant, timeout_s=timeout_s)
            heard.append((rows, sampling, hear))
            if cancelled_after_s is not None:
                threading.Timer(cancelled_after_s, submission.cancel).start()
            time.sleep(pause.choice([0.0, 0.005]))
        assert all(hear.over.wait(PATIENCE_S) for _, _, hear in heard)
    for rows, sampling, hear in heard:
        for row, events in zip(rows, hear.events, strict=True):
            ends = [event for event in events if isinstance(event, Finished | Failed)]
            assert len(ends) == 1
            assert events[-1] is ends[0]
            steps = [event.step for event in events if isinstance(event, Stepped)]
            assert steps == list(range(1, len(steps) + 1))
            assert sum(isinstance(event, Started) for event in events) == bool(steps) or not steps
            if isinstance(ends[0], Finished):
                made = np.asarray(ends[0].result.image, int)
                assert np.abs(made - alone[row.seed, sampling]).max() <= 1
    assert left_behind(engine) == []
    assert engine.failure is None


def left_behind(engine: Engine) -> list[str]:
    """What is still in use where nothing is to be made any more, once the loop has had time to clear away."""
    deadline = time.monotonic() + PATIENCE_S
    while (found := in_use(engine)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def in_use(engine: Engine) -> list[str]:
    loop = engine._loop
    runner = loop._runner
    found = {
        "jobs": loop._jobs,
        "given up": loop._gone,
        "not decoded": loop._undecoded,
        "slots": [one for one in runner._slots.values() if len(one._free) != len(one.latents)],
        "vectors": [one for sites in runner._vectors.values() for one in sites.values() if one._users],
        "slots twice": [one for one in runner._slots.values() if len(set(one._free)) != len(one._free)],
    }
    return [name for name, what in found.items() if what]


def tensor_bytes() -> int:
    """The memory of all tensors that anything still holds."""
    gc.collect()
    storages = {
        one.untyped_storage().data_ptr(): one.untyped_storage().nbytes()
        for one in gc.get_objects()
        if type(one) is torch.Tensor and one.layout is torch.strided
    }
    return sum(storages.values())


def tensor_bytes_once_let_go(most: int) -> int:
    """The same, once it is `most` or less: the engine's thread holds its last pass until it has gone on."""
    deadline = time.monotonic() + PATIENCE_S
    while (held := tensor_bytes()) > most and time.monotonic() < deadline:
        time.sleep(0.05)
    return held


def test_nothing_is_left_behind(engine):
    """Neither slots nor vectors nor jobs nor tensors: what was in use is free, however an image ended."""
    most = 0
    for number in range(4):
        done = Heard(30)
        submission = engine.submit(engine.prepare([*ROWS] * 10, SAMPLINGS[0]), done)
        time.sleep(0.01)
        submission.cancel()
        assert done.over.wait(PATIENCE_S)
        engine.generate([*ROWS] * 5, SAMPLINGS[1])
        assert left_behind(engine) == []
        if number == 1:  # the first time prompts are encoded and places are made
            most = tensor_bytes()
    assert tensor_bytes_once_let_go(most) <= most
    for slots in engine._loop._runner._slots.values():
        assert len(slots.latents) == 16  # never more than once were needed


class BrokenError(Exception):
    """What no engine can foresee."""


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=st.lists(
        st.tuples(
            st.lists(st.sampled_from(ROWS), min_size=1, max_size=3),
            st.sampled_from(SAMPLINGS),
            st.sampled_from([None, None, 0, 1, 3]),  # events after which its client goes away
        ),
        min_size=1,
        max_size=6,
    ),
    breaks_at=st.sampled_from([None, 0, 2, 9]),
)
def test_clients_that_go_away_and_a_step_that_breaks_leave_nothing(
    sd1, library, make_vector, monkeypatch, calls, breaks_at
):
    """By the asyncio face: who stays hears one end of each image, and no task, thread or place is left over."""
    monkeypatch.setattr("diffusion.step_loop._LINGER_S", 0.05)
    if not library.list():
        library.publish(make_vector(sd1))
        library.publish(make_vector(sd1, "man", seed=1, halves="both"))
    engine = Engine(sd1, library, 12)
    passes = itertools.count()

    def break_once(_unet: object, _args: object) -> None:
        if next(passes) == breaks_at:
            raise BrokenError

    async def client(rows: Sequence[Row], sampling: Sampling, leaves_after: int | None) -> list[Event]:
        heard: list[Event] = []
        async with aclosing(engine.stream(engine.prepare(rows, sampling))) as events:
            async for event in events:
                heard.append(event)
                if leaves_after is not None and len(heard) > leaves_after:
                    break
        return heard

    async def all_clients() -> list[list[Event]]:
        heard = await asyncio.gather(*(client(*call) for call in calls))
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return heard

    with sd1.pipe.unet.register_forward_pre_hook(break_once):
        heard = asyncio.run(all_clients())
    for (rows, _, leaves_after), events in zip(calls, heard, strict=True):
        ends = Counter(event.image for event in events if isinstance(event, Finished | Failed))
        if leaves_after is None:
            assert ends == dict.fromkeys(range(len(rows)), 1)
        failures = [event.error for event in events if isinstance(event, Failed)]
        assert all(isinstance(error, EngineFailedError) for error in failures)
        assert not failures or isinstance(failures[0].__cause__, BrokenError)
    assert left_behind(engine) == []
    assert engine.failure is None
    deadline = time.monotonic() + PATIENCE_S
    while any(thread.name == "trimtab-engine" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(engine.generate(ROWS[:1], SAMPLINGS[0])) == 1
