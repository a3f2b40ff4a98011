"""The trail of one request, or of the making of one job: who it is, and what log, metrics and traces tell of it.

Entry points: `Trail`, `begin`, `current`; `stage` and `Stages`, which time its stages. It belongs to the context of its
task, and to what that starts: code that has none of the request at hand finds it all the same.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Self, TypeAlias

from service.observability.tracing import NO_SPAN, Attributes, Span

Stage: TypeAlias = Literal["plan", "queue", "steps", "decode", "screen", "encode"]

SPAN_NAMES: Mapping[Stage, str] = MappingProxyType({"plan": "policy"})
"""Stages whose spans have other names."""

_NOTHING: Attributes = MappingProxyType({})


def _unmeasured(_stage: str, _seconds: float) -> None:
    """Hear how long a stage took and do nothing."""


@dataclass
class Trail:
    """What is known so far; whoever learns more writes it here."""

    request_id: str | None = None
    """Of the request, or of the one that posted the job."""
    job: str | None = None
    tenant: str | None = None
    policy: str | None = None
    """The name of a configured policy; "own" for one that stood in the request."""
    images: int | None = None
    outcome: str | None = None
    """ok, or an error's code."""
    prompt: str | None = None
    """Only where it may be logged."""
    hidden: Sequence[str] = ()
    """Texts that no line of the log shows."""
    span: Span = field(default=NO_SPAN)
    measured: Callable[[str, float], None] = _unmeasured
    """Hears of every stage how many seconds it took."""


_TRAIL: ContextVar[Trail | None] = ContextVar("trimtab_trail", default=None)


def begin(trail: Trail) -> Trail:
    """Let this be the trail of the running task and of all that it starts from now on."""
    _TRAIL.set(trail)
    return trail


def current() -> Trail:
    """Return the trail of what is being done, or one that nobody reads."""
    return _TRAIL.get() or Trail()


class Stages:
    """The stages that a request passes one after another; the block's end is that of the last."""

    def __init__(self) -> None:
        self._trail = current()
        self._at: Stage | None = None
        self._attributes: Attributes = _NOTHING
        self._began_ns, self._began_s = 0, 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.leave()

    def enter(self, stage: Stage, attributes: Attributes = _NOTHING) -> None:
        """End the stage before, if there was one, and begin this."""
        self.leave()
        self._at, self._attributes = stage, attributes
        self._began_ns, self._began_s = time.time_ns(), time.perf_counter()

    def leave(self) -> None:
        """End the stage that it is at."""
        if self._at is None:
            return
        stage, self._at = self._at, None
        seconds = time.perf_counter() - self._began_s
        self._trail.measured(stage, seconds)
        ended_ns = self._began_ns + round(seconds * 1e9)
        self._trail.span.child(SPAN_NAMES.get(stage, stage), self._began_ns, ended_ns, self._attributes)


@contextmanager
def stage(stage: Stage, attributes: Attributes = _NOTHING) -> Iterator[None]:
    """Time the block as one stage, however it ends."""
    with Stages() as stages:
        stages.enter(stage, attributes)
        yield
