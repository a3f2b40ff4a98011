"""What reads a finished picture: attribute classifiers and unsafe-content detectors behind one interface.

`Detector` is the interface. `DemoOracle` reads the drawn world of the embedded model; `ClipZeroShot`, `ClipProbe`
and `NudeNet` read real pictures, and `AnyOf` joins detectors that answer the same question; `UnsafeDetector` finds
categories of unsafe content with any of them. A `Sign` is what to look
for in a `Reading`; `pixel_change` compares two pictures. The names load on first use, so that a command that reads
no picture loads no model library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detectors.any_of import AnyOf
    from detectors.clip_encoder import ClipEncoder
    from detectors.clip_probe import ClipProbe
    from detectors.clip_zero_shot import ClipZeroShot
    from detectors.demo_oracle import DemoOracle
    from detectors.detector import Detector, Reading, Sign
    from detectors.errors import (
        DetectorError,
        DetectorLoadError,
        DetectorSettingsError,
        MissingExtraError,
    )
    from detectors.nudenet import NudeNet
    from detectors.pixels import pixel_change
    from detectors.unsafe import UnsafeDetector

__all__ = [
    "AnyOf",
    "ClipEncoder",
    "ClipProbe",
    "ClipZeroShot",
    "DemoOracle",
    "Detector",
    "DetectorError",
    "DetectorLoadError",
    "DetectorSettingsError",
    "MissingExtraError",
    "NudeNet",
    "Reading",
    "Sign",
    "UnsafeDetector",
    "pixel_change",
]

_HOMES = {
    "any_of": ["AnyOf"],
    "clip_encoder": ["ClipEncoder"],
    "clip_probe": ["ClipProbe"],
    "clip_zero_shot": ["ClipZeroShot"],
    "demo_oracle": ["DemoOracle"],
    "detector": ["Detector", "Reading", "Sign"],
    "errors": ["DetectorError", "DetectorLoadError", "DetectorSettingsError", "MissingExtraError"],
    "nudenet": ["NudeNet"],
    "pixels": ["pixel_change"],
    "unsafe": ["UnsafeDetector"],
}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"detectors.{module}"), name)
    raise AttributeError(f"module 'detectors' has no attribute {name!r}")
