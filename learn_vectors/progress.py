"""How the learner tells what it is at."""

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[str, int, int, float | None], None]
"""Called with the phase ("images" or "learning"), what is done, what there is to do, and the loss if there is one."""


def silent(phase: str, done: int, total: int, loss: float | None) -> None:
    """Tell nobody."""
