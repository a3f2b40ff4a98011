"""Engines of this process held or slowed, so that how fast a machine is decides nothing of a test."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from diffusers import UNet2DConditionModel
from torch.nn.modules.module import register_module_forward_pre_hook

PATIENCE_S = 120


class HeldSteps:
    """Steps that wait; `reached` is set once one does."""

    def __init__(self) -> None:
        self.reached, self._open = threading.Event(), threading.Event()

    def let_go(self) -> None:
        self._open.set()

    def until_reached(self) -> None:
        assert self.reached.wait(PATIENCE_S), "no engine has taken a step"

    def pass_one(self) -> None:
        if not self._open.is_set():
            self.reached.set()
            self._open.wait(PATIENCE_S)


@contextmanager
def held_steps() -> Iterator[HeldSteps]:
    """Hold the next step of every engine until it is let go, or the block ends."""
    held = HeldSteps()

    def hold(module: object, _args: object) -> None:
        if isinstance(module, UNet2DConditionModel):
            held.pass_one()

    with register_module_forward_pre_hook(hold):
        try:
            yield held
        finally:
            held.let_go()


@contextmanager
def slow_steps(pass_s: float) -> Iterator[None]:
    """Let every forward pass take at least so many seconds: what is long stays so on the fastest machine."""

    def wait(module: object, _args: object) -> None:
        if isinstance(module, UNet2DConditionModel):
            time.sleep(pass_s)

    with register_module_forward_pre_hook(wait):
        yield
