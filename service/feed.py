"""What happens to a request, as an iterator that its client can be told from.

Entry points: `feed`, `Silence`.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from service.generated import Generated
from service.happenings import Happening, Told

MAX_UNHEARD = 1000
"""A client that reads slowly misses what happens once so much waits for it; what is made it always gets."""


@dataclass(frozen=True)
class Silence:
    """Nothing has happened for a while."""


async def feed(
    work: Callable[[Told], Coroutine[Any, Any, Generated]], silence_s: float
) -> AsyncGenerator[Happening | Silence | Generated, None]:
    """Do the work, and yield what it tells, and last what it returns; raises what it raises.

    Whenever nothing has happened for `silence_s`, a Silence is yielded. An iterator that is closed early
    (`contextlib.aclosing`) or whose task is cancelled cancels the work.
    """
    unheard: asyncio.Queue[Happening | None] = asyncio.Queue()

    def tell(happening: Happening) -> None:
        if unheard.qsize() < MAX_UNHEARD:
            unheard.put_nowait(happening)

    def end(working: asyncio.Task[Generated]) -> None:
        # An error that nobody waits for any more is not to be logged as forgotten.
        if not working.cancelled():
            working.exception()
        unheard.put_nowait(None)

    working = asyncio.create_task(work(tell))
    working.add_done_callback(end)
    try:
        while True:
            try:
                # Not wait_for, which forgets that it was cancelled where something happens at the same time.
                async with asyncio.timeout(silence_s):
                    happening = await unheard.get()
            except TimeoutError:
                yield Silence()
                continue
            if happening is None:
                break
            yield happening
        yield working.result()
    finally:
        working.cancel()
