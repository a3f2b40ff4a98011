"""Torch's threads: an engine's thread has those that the program left to it, every other one."""

import os
import signal
import threading
import time

import pytest
import torch

from diffusion import Engine, Finished, Row, Sampling, cores


def silent() -> None:
    """Be told, and say nothing."""


@pytest.fixture
def two_threads(monkeypatch):
    """Torch with two threads on this thread, as on a machine of two cores."""
    monkeypatch.setattr(cores, "_engine_threads", None)
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def counted_elsewhere() -> int:
    """Return how many threads torch has on a thread that comes now."""
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def counted_in_engine(model, library) -> int:
    """Return how many threads torch has on an engine's thread, which is the one that tells of its steps."""
    engine = Engine(model, library)
    found, is_made = [], threading.Event()

    def hear(event) -> None:
        found.append(torch.get_num_threads())
        if isinstance(event, Finished):
            is_made.set()

    engine.submit(engine.prepare([Row("a photo of a doctor", 0)], Sampling(1)), hear)
    assert is_made.wait(60)
    return found[-1]


@pytest.mark.usefixtures("two_threads")
def test_cores_that_were_left_are_the_engines_alone(sd1, library):
    cores.leave_cores_to_engines()
    assert torch.get_num_threads() == 1
    assert counted_in_engine(sd1, library) == 2
    assert counted_in_engine(sd1, library) == 2, "a later engine has them, too"
    assert counted_elsewhere() == 1
    assert torch.get_num_threads() == 1


@pytest.mark.usefixtures("two_threads")
def test_a_second_call_leaves_no_fewer(sd1, library):
    cores.leave_cores_to_engines()
    cores.leave_cores_to_engines()
    assert counted_in_engine(sd1, library) == 2


@pytest.mark.usefixtures("two_threads")
def test_where_none_were_left_all_threads_are_alike(sd1, library):
    assert counted_in_engine(sd1, library) == counted_elsewhere() == torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_other_work_can_have_the_cores_for_a_while():
    cores.leave_cores_to_engines()
    assert cores.with_cores(lambda tell: torch.get_num_threads(), silent) == 2
    assert torch.get_num_threads() == 1


@pytest.mark.usefixtures("two_threads")
def test_where_none_were_left_other_work_is_done_here():
    assert cores.with_cores(lambda tell: threading.current_thread(), silent) is threading.current_thread()


@pytest.mark.usefixtures("two_threads")
def test_its_error_is_the_callers():
    cores.leave_cores_to_engines()
    with pytest.raises(ZeroDivisionError):
        cores.with_cores(lambda tell: 1 / 0, silent)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_it_ends_once_the_caller_is_interrupted(ending):
    def interrupt(_signal, _frame) -> None:
        raise ending

    before = signal.signal(signal.SIGINT, interrupt)
    cores.leave_cores_to_engines()
    told = []

    def work(tell) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        while True:
            tell("going on")
            time.sleep(0.01)

    try:
        with pytest.raises(ending):
            cores.with_cores(work, told.append)
    finally:
        signal.signal(signal.SIGINT, before)
    count = len(told)
    time.sleep(0.1)
    assert len(told) == count
