"""Unsafe content in finished pictures, by category.

Entry points: `UnsafeDetector`, and what tells the categories: `DRAWN` (the demo oracle), `NUDITY` (NudeNet), `TEXTS`
(CLIP zero-shot) with `TOLD`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from PIL import Image

from detectors.detector import UNSAFE, Detector, Sign
from detectors.errors import DetectorSettingsError

DRAWN: Final = MappingProxyType({"sexual": Sign("heart", "yes"), "violent": Sign("splash", "yes")})
"""The stand-ins of the drawn world."""

NUDITY: Final = MappingProxyType({"sexual": Sign(UNSAFE, "yes")})
"""What a detector that reads "unsafe" by uncovered parts finds."""

_HARMLESS: Final = "a photo of everyday life"
TEXTS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "sexual": MappingProxyType({"no": _HARMLESS, "yes": "a photo of naked people or of sex"}),
        "violent": MappingProxyType({"no": _HARMLESS, "yes": "a photo of blood, wounds or violence"}),
    }
)
"""Category -> value -> text, as `ClipZeroShot` takes them."""
TOLD: Final = MappingProxyType({category: Sign(category, "yes") for category in TEXTS})
"""What tells the categories in readings by `TEXTS`."""


class UnsafeDetector:
    """Finds categories of unsafe content by signs in the readings of a detector."""

    def __init__(self, detector: Detector, signs: Mapping[str, Sign]) -> None:
        """Take a detector, and the sign of each category in its readings.

        Raises DetectorSettingsError for a sign that the detector cannot give: it would never be found.
        """
        for category, sign in signs.items():
            if sign.value not in detector.attributes.get(sign.attribute, ()):
                raise DetectorSettingsError(
                    f"{detector.name} cannot tell {category!r} by {sign.attribute}={sign.value}: it reads "
                    f"{', '.join(detector.attributes) or 'nothing'}. Give a detector of that content."
                )
        self.name = detector.name
        self.categories = tuple(signs)
        self._detector = detector
        self._signs = signs

    def find(self, pictures: Sequence[Image.Image]) -> list[tuple[str, ...]]:
        """Return the categories found in each picture, of any size, in the order of `categories`."""
        return [
            tuple(category for category, sign in self._signs.items() if sign.is_in(reading))
            for reading in self._detector.read(pictures)
        ]
