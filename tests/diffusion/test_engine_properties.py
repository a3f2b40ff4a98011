"""Whatever comes and goes, every image ends exactly once, and a finished one is what it would have been alone."""

import random
import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diffusion import Engine, Event, Failed, Finished, Row, Sampling, Started, Stepped

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
        assert all(hear.over.wait(60) for _, _, hear in heard)
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
    assert engine.failure is None


def test_nothing_is_left_behind(engine):
    """Neither slots nor vectors nor jobs: what was in use is free, however an image ended."""
    loop = engine._loop
    for _ in range(3):
        done = Heard(30)
        submission = engine.submit(engine.prepare([*ROWS] * 10, SAMPLINGS[0]), done)
        time.sleep(0.01)
        submission.cancel()
        assert done.over.wait(30)
        engine.generate([*ROWS] * 5, SAMPLINGS[1])
    deadline = time.monotonic() + 10
    while loop._gone and time.monotonic() < deadline:
        time.sleep(0.01)
    runner = loop._runner
    assert not loop._jobs
    assert not loop._undecoded
    for slots in runner._slots.values():
        assert sorted(slots._free) == list(range(len(slots.latents)))
        assert len(slots.latents) == 16  # never more than once were needed
    for resident in (one for sites in runner._vectors.values() for one in sites.values()):
        assert not resident._users
