"""The screen: finished images are looked at before they are served, and what a policy's rule says follows.

Entry points: `Screen`, `open_screen`, and `screened`, the loop of looking and making again.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from PIL import Image

from detectors import UnsafeDetector
from detectors.unsafe import DRAWN, NUDITY, TEXTS, TOLD
from diffusion import GeneratedImage
from policies.image_plan import ImagePlan
from policies.screen_rule import ScreenRule
from service.errors import ScreenFailedError
from service.observability.trail import stage
from service.schemas import ScreenAttempt, ScreenResult
from service.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Take:
    """One image as it was planned and made, and what the screen said of it, where one looked."""

    plan: ImagePlan
    made: GeneratedImage
    screen: ScreenResult | None = None

    @property
    def blocked(self) -> bool:
        """Whether it is not to be served."""
        return self.screen is not None and self.screen.outcome == "blocked"


Retake: TypeAlias = Callable[[Sequence[int], int], Awaitable[Sequence[Take]]]
"""Makes images again, from their numbers and the number of the retry, in order."""


class Screen:
    """A detector of unsafe content, asked by one thread at a time: its batches share the machine with the engine's."""

    def __init__(self, detector: UnsafeDetector) -> None:
        self.name = detector.name
        self.categories = detector.categories
        self._detector = detector
        self._lock = threading.Lock()

    def find(self, pictures: Sequence[Image.Image], wanted: Collection[str]) -> list[tuple[str, ...]]:
        """Return which of the wanted categories each picture shows; not for the event loop.

        Raises ScreenFailedError where the detector fails, so that no picture is served that nobody looked at.
        """
        try:
            with self._lock:
                found = self._detector.find(pictures)
        except Exception as error:  # a detector's libraries raise whatever they like
            logger.exception("The detector %s failed.", self.name)
            raise ScreenFailedError(
                "The finished images could not be looked at, and are not served.",
                cure="Report it with the time: the service's log says why.",
            ) from error
        if len(found) != len(pictures):
            raise ScreenFailedError(
                f"The detector read {len(found)} of {len(pictures)} images, and none are served.",
                cure="This is a fault of the service: report it.",
            )
        return [tuple(category for category in of_picture if category in wanted) for of_picture in found]


def open_screen(settings: Settings) -> Screen | None:
    """Load the detector that the settings name, None where there is to be none; raises DetectorErrors."""
    match settings.screen:
        case "none":
            return None
        case "oracle":
            from detectors import DemoOracle

            return Screen(UnsafeDetector(DemoOracle(), DRAWN))
        case "nudenet":
            from detectors import NudeNet

            return Screen(UnsafeDetector(NudeNet(settings.screen_nudenet), NUDITY))
        case "clip":
            from detectors import ClipEncoder, ClipZeroShot

            # The settings have seen to it that there is a folder.
            clip = ClipEncoder(str(settings.screen_clip), device=settings.device)
            return Screen(UnsafeDetector(ClipZeroShot(clip, TEXTS), TOLD))


async def screened(takes: Sequence[Take], rule: ScreenRule, screen: Screen, retake: Retake) -> list[Take]:
    """Return what the rule makes of images: themselves, or the last of further attempts, with what was found.

    All that is to be looked at is looked at together, and what must be made again is made together. A blocked image
    is among them: who serves them leaves out its picture.
    """
    wanted = screen.categories if rule.categories is None else rule.categories
    last = list(takes)
    attempts: list[list[ScreenAttempt]] = [[] for _ in takes]
    left = list(range(len(takes)))
    while left:
        pictures = [last[image].made.image for image in left]
        with stage("screen", {"trimtab.rows": len(pictures)}):
            findings = await asyncio.to_thread(screen.find, pictures, wanted)
        again = []
        for image, found in zip(left, findings, strict=True):
            attempts[image].append(ScreenAttempt(seed=last[image].made.seed, found=found))
            outcome = rule.outcome([attempt.found for attempt in attempts[image]])
            if outcome is None:
                again.append(image)
            else:
                result = ScreenResult(outcome=outcome, detector=screen.name, attempts=tuple(attempts[image]))
                last[image] = replace(last[image], screen=result)
        if again:
            # All of them have been looked at equally often.
            retaken = await retake(again, len(attempts[again[0]]))
            for image, take in zip(again, retaken, strict=True):
                last[image] = take
        left = again
    return last
