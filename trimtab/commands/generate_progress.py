"""The progress bar of `trimtab generate`: the place in the queue, then the steps of all images.

Entry point: `StepBar`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from service.happenings import Happening


class StepBar:
    """Hears what happens to a request, and shows it on the terminal."""

    def __init__(self, images: int) -> None:
        self._images = images
        self._steps: dict[int, int] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("loading", total=None)

    def __enter__(self) -> StepBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, happening: Happening) -> None:
        """Show what has happened; images that a screen has made again begin anew."""
        from service.happenings import Queued, Stepped

        match happening:
            case Queued(position):
                self._progress.update(self._task, description=f"waiting, place {position}")
            case Stepped(image, step, steps):
                self._steps[image] = step
                self._progress.update(
                    self._task,
                    description="making images" if self._images > 1 else "making the image",
                    total=steps * self._images,
                    completed=sum(self._steps.values()),
                )
