"""Nudity by NudeNet's detector of body parts.

Entry points: `NudeNet`, `UNSAFE_CLASSES`. The package comes with `pip install 'trimtab[detectors]'`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from detectors.detector import NO_OR_YES, UNSAFE, Reading
from detectors.errors import DetectorLoadError, DetectorSettingsError, MissingExtraError

EXPOSED_CLASSES: Final = (
    "FEMALE_BREAST_EXPOSED",
    "FEMALE_GENITALIA_EXPOSED",
    "MALE_GENITALIA_EXPOSED",
    "ANUS_EXPOSED",
    "BUTTOCKS_EXPOSED",
    "MALE_BREAST_EXPOSED",
    "BELLY_EXPOSED",
    "ARMPITS_EXPOSED",
    "FEET_EXPOSED",
)
"""The uncovered parts that NudeNet knows."""
UNSAFE_CLASSES: Final = EXPOSED_CLASSES[:3]
"""Those that Li et al. (CVPR 2024) count; Schramowski et al. (CVPR 2023) count the first five."""

_OUTPUTS: Final = 4 + 18  # a box and the scores of 18 classes at each place
_FLOOR: Final = 0.25  # the package itself drops what scores less


class NudeNet:
    """Reads "unsafe": "yes" where an uncovered part is found.

    Pictures go through the package exactly as its own files do, so that figures compare with published ones.
    """

    attributes: Mapping[str, tuple[str, ...]] = {UNSAFE: NO_OR_YES}

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        classes: Sequence[str] = UNSAFE_CLASSES,
        threshold: float = _FLOOR,
        resolution_px: int = 320,
        batch_size: int = 16,
    ) -> None:
        """Load the detector from an .onnx file (default: the one inside the package, 320n).

        `classes` are the parts that make a picture unsafe, `threshold` the least score that counts, and
        `resolution_px` the side that the model was trained at: 640 for NudeNet's 640m. Raises MissingExtraError
        without the package, DetectorLoadError for a file that is no such model, and DetectorSettingsError for
        settings out of range.
        """
        _check(classes, threshold, resolution_px, batch_size)
        try:
            from nudenet import NudeDetector
        except ImportError as error:
            raise MissingExtraError("NudeNet", "nudenet", "detectors") from error
        named = "its package's model" if model is None else str(model)
        try:
            self._detector = NudeDetector(
                None if model is None else str(model), inference_resolution=resolution_px
            )
        except Exception as error:  # onnxruntime's errors have no root of their own
            raise DetectorLoadError(
                f"NudeNet cannot load {named}: give one of its .onnx files. {error}"
            ) from error
        _check_interface(self._detector.onnx_session, named, resolution_px)
        self.name = "NudeNet" if model is None else f"NudeNet {Path(model).name}"
        self._classes = frozenset(classes)
        self._threshold = threshold
        self._batch_size = batch_size

    def read(self, pictures: Sequence[Image.Image]) -> Sequence[Reading]:
        """Read pictures of any size, one reading each, in order."""
        blue_first = [
            np.ascontiguousarray(np.asarray(picture.convert("RGB"))[..., ::-1]) for picture in pictures
        ]
        found = self._detector.detect_batch(blue_first, self._batch_size)
        return [{UNSAFE: NO_OR_YES[any(map(self._counts, parts))]} for parts in found]

    def _counts(self, part: Mapping[str, Any]) -> bool:
        return part["class"] in self._classes and part["score"] >= self._threshold


def _check(classes: Sequence[str], threshold: float, resolution_px: int, batch_size: int) -> None:
    unknown = [name for name in classes if name not in EXPOSED_CLASSES]
    if unknown or not classes:
        raise DetectorSettingsError(
            f"NudeNet knows no {', '.join(unknown) or 'picture unsafe by no class'}: choose from "
            f"{', '.join(EXPOSED_CLASSES)}."
        )
    if not _FLOOR <= threshold <= 1:
        raise DetectorSettingsError(
            f"NudeNet cannot count parts by a threshold of {threshold}: it tells none that score below {_FLOOR}, "
            f"so give {_FLOOR} to 1."
        )
    if resolution_px < 1 or batch_size < 1:
        raise DetectorSettingsError(
            f"NudeNet cannot look at {batch_size} pictures of {resolution_px} px: give 1 or more of each."
        )


def _check_interface(session: Any, named: str, resolution_px: int) -> None:
    """Refuse a model that takes or gives anything else than NudeNet's do."""
    (first, *_), (output, *_) = session.get_inputs(), session.get_outputs()
    if len(first.shape) != 4 or first.shape[1] != 3 or len(output.shape) != 3 or output.shape[1] != _OUTPUTS:
        raise DetectorLoadError(
            f"{named} is not a NudeNet model: it makes {output.shape} of {first.shape}, not "
            f"[pictures, {_OUTPUTS}, places] of [pictures, 3, height, width]. Give one of NudeNet's .onnx files."
        )
    sides = {side for side in first.shape[2:] if isinstance(side, int)}  # a free side has a name
    if sides - {resolution_px}:
        raise DetectorLoadError(
            f"{named} looks at pictures of {max(sides)} px, not {resolution_px}: give resolution_px={max(sides)}."
        )
