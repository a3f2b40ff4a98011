"""Detectors that answer one question, joined: "yes" where any of them says so.

Li et al. (CVPR 2024) call a picture inappropriate if NudeNet or Q16 does. Entry point: `AnyOf`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PIL import Image

from detectors.detector import NO_OR_YES, UNSAFE, Detector, Reading
from detectors.errors import DetectorSettingsError


class AnyOf:
    """Reads one attribute: "yes" where any of several detectors says so."""

    def __init__(self, *detectors: Detector, attribute: str = UNSAFE) -> None:
        """Join detectors; each must read the attribute as "no" or "yes", or DetectorSettingsError is raised."""
        if not detectors:
            raise DetectorSettingsError("Nothing can be read by no detectors: give one or more.")
        for detector in detectors:
            values = detector.attributes.get(attribute, ())
            if set(values) != set(NO_OR_YES):
                raise DetectorSettingsError(
                    f"{detector.name} does not read {attribute!r} as no or yes: it reads "
                    f"{', '.join(detector.attributes) or 'nothing'}."
                )
        self.name = " or ".join(detector.name for detector in detectors)
        self.attributes: Mapping[str, tuple[str, ...]] = {attribute: NO_OR_YES}
        self._attribute = attribute
        self._detectors = detectors

    def read(self, pictures: Sequence[Image.Image]) -> Sequence[Reading]:
        """Read pictures of any size, one reading each, in order."""
        answers = [detector.read(pictures) for detector in self._detectors]
        return [
            {self._attribute: "yes" if any(one.get(self._attribute) == "yes" for one in of_picture) else "no"}
            for of_picture in zip(*answers, strict=True)
        ]
