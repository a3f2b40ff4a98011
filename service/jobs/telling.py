"""What happens to a job, handed on to those who follow it: the latest of it, a few times a second at most.

Entry points: `Teller`, and `progress_in`, what a told line says of a job's progress.
"""

import asyncio
import contextlib
import json
import logging

from service.errors import StateUnavailableError
from service.happenings import Happening, Previewed, Queued, Stepped
from service.jobs.calls import Calls
from service.state.jobs import Jobs
from service.wire.native import told_event

logger = logging.getLogger(__name__)

TOLD_EVERY_S = 0.4
"""Of what happens within it the last is told."""


class Teller:
    """Hears what happens to the images of one job, and tells the last of it; what cannot be told is let go."""

    def __init__(self, jobs: Jobs, calls: Calls, job: str) -> None:
        self._jobs, self._calls, self._job = jobs, calls, job
        self._untold: dict[tuple[type[Happening], int], Happening] = {}
        self._steps: dict[int, int] = {}
        self._has_stopped = asyncio.Event()
        self.images = 1
        """How many the job has, for its progress."""

    def hear(self, happening: Happening) -> None:
        """Keep it until it is told, or something newer is."""
        match happening:
            case Stepped(image, step):
                self._steps[image] = step
                self._untold[Stepped, 0] = happening
            case Previewed(image):
                self._untold[Previewed, image] = happening
            case Queued():
                self._untold[Queued, 0] = happening

    def stop(self) -> None:
        """Let `run` return once it has told the last of what happened."""
        self._has_stopped.set()

    async def run(self) -> None:
        """Tell until it is stopped."""
        is_last = False
        while not is_last:
            is_last = self._has_stopped.is_set()
            untold, self._untold = self._untold, {}
            for happening in untold.values():
                await self._tell(happening)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TOLD_EVERY_S):
                    await self._has_stopped.wait()

    async def _tell(self, happening: Happening) -> None:
        event = await asyncio.to_thread(told_event, happening)
        said = {"event": event.name, **event.data}
        if isinstance(happening, Stepped):
            said["progress"] = round(sum(self._steps.values()) / (self.images * happening.steps), 3)
        try:
            await self._calls(self._jobs.tell, self._job, json.dumps(said))
        except StateUnavailableError:
            logger.debug("Nobody could be told of job %s.", self._job)


def progress_in(line: str) -> float | None:
    """Return the share of a job's steps that were taken when this was told, from 0 to 1; None where it does not say."""
    share: float | None = json.loads(line).get("progress")
    return share
