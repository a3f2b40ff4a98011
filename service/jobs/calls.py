"""Calls of a store that block, made on threads of their own.

Entry points: `Calls`, `until_back`. A store that hangs takes seconds to say so: on the threads that encode pictures and
check requests it would hold up all that is served without it.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from service.errors import StateUnavailableError
from service.state.shared import SharedState

RETRY_EVERY_S = 1.0
"""How often a store that is away is asked whether it is back."""

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")


class Calls:
    """Makes at most so many calls at once; what is more waits."""

    def __init__(self, at_once: int) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="trimtab-jobs")

    async def __call__(
        self, call: Callable[Arguments, Returned], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Returned:
        """Return what the call returns, and raise what it raises."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(call, *args, **kwargs))

    def close(self) -> None:
        """Begin no more calls; those that are under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)


async def until_back(shared: SharedState, calls: Calls) -> None:
    """Wait until the store answers again.

    It is asked for nothing but an answer: what a store that hangs was asked to change, it changes when it goes on.
    """
    while True:
        await asyncio.sleep(RETRY_EVERY_S)
        try:
            return await calls(shared.check)
        except StateUnavailableError:
            continue
