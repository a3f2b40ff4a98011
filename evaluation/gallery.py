"""The gallery: the pictures of an evaluation's conditions as they were made, and what is read from them.

Entry point: `Gallery`.
"""

from __future__ import annotations

from PIL import Image

from detectors import Detector, Reading, pixel_change
from evaluation.condition import Condition
from evaluation.measures import Share
from evaluation.progress import Progress
from evaluation.prompts import Prompt
from evaluation.run_store import RunStore

_READ_AT_ONCE = 64


class Gallery:
    """Looks at pictures that are in the store; each is read once."""

    def __init__(self, store: RunStore, detector: Detector, *, progress: Progress) -> None:
        self._store = store
        self._detector = detector
        self._progress = progress
        self._readings: dict[str, Reading] = {}

    def readings(self, condition: Condition) -> list[Reading]:
        """Return what the detector reads from the condition's pictures, in the order of its wishes."""
        keys = condition.keys
        unread = list(dict.fromkeys(key for key in keys if key not in self._readings))
        for start in range(0, len(unread), _READ_AT_ONCE):
            chunk = unread[start : start + _READ_AT_ONCE]
            found = self._detector.read([self._store.load(key) for key in chunk])
            self._readings.update(zip(chunk, found, strict=True))
            self._progress(f"reading {condition.title}", start + len(chunk), len(unread))
        return [self._readings[key] for key in keys]

    def kept(self, condition: Condition, attribute: str) -> Share:
        """Return the share of pictures that show what their prompt says of an attribute, of those it can be read of.

        Prompts that say nothing of it, and values that the detector does not know, are not counted.
        """
        known = self._detector.attributes.get(attribute, ())
        readings = self.readings(condition)
        return Share.of(
            reading.get(attribute) == said
            for wish, reading in zip(condition.wishes, readings, strict=True)
            if (said := wish.prompt.shows.get(attribute)) in known
        )

    def pixel_changes(self, condition: Condition, plain: Condition) -> list[float]:
        """Return how far each picture is from the plain model's of the same prompt and seed, 0 to 255."""
        beside = {
            (wish.prompt.text, wish.seed, wish.sampling): key
            for wish, key in zip(plain.wishes, plain.keys, strict=True)
        }
        return [
            pixel_change(
                self._store.load(key), self._store.load(beside[wish.prompt.text, wish.seed, wish.sampling])
            )
            for wish, key in zip(condition.wishes, condition.keys, strict=True)
        ]

    def pictures(self, condition: Condition, prompt: Prompt, first: int) -> list[Image.Image]:
        """Return the first pictures of one of the condition's prompts."""
        keys = [
            key for wish, key in zip(condition.wishes, condition.keys, strict=True) if wish.prompt == prompt
        ]
        return [self._store.load(key) for key in keys[:first]]
