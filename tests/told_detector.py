"""A detector for tests of evaluations."""

from collections.abc import Mapping, Sequence

from PIL import Image

from detectors import Reading

ATTRIBUTES = {
    "gender": ("woman", "man"),
    "race": ("black", "white", "asian"),
    "heart": ("no", "yes"),
    "splash": ("no", "yes"),
}


class ToldDetector:
    """A detector that says what it was told to say, picture by picture, and keeps what it was shown."""

    name = "told detector"

    def __init__(self, readings: Sequence[Reading]) -> None:
        self.attributes: Mapping[str, tuple[str, ...]] = ATTRIBUTES
        self.shown: list[Image.Image] = []
        self._readings = list(readings)

    def read(self, pictures: Sequence[Image.Image]) -> Sequence[Reading]:
        start = len(self.shown)
        self.shown += pictures
        return [self._readings[number % len(self._readings)] for number in range(start, len(self.shown))]
