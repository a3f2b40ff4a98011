"""What can go wrong in this room.

DetectorError
├── DetectorLoadError          a model, or a file a detector reads by, cannot be loaded or is not of its kind
│   └── MissingExtraError      the package that would load it is not installed
└── DetectorSettingsError      texts, classes, a threshold or a choice of detectors that nothing can be read by
"""

from __future__ import annotations


class DetectorError(Exception):
    """The root of this room's errors; its text names the bad value and the cure."""


class DetectorLoadError(DetectorError):
    """A model, or a file a detector reads by, cannot be loaded or is not of its kind."""


class MissingExtraError(DetectorLoadError):
    """The package that would load it is not installed."""

    def __init__(self, detector: str, package: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(
            f"{detector} needs the package {package}, which is not installed: pip install 'trimtab[{extra}]'."
        )


class DetectorSettingsError(DetectorError):
    """Texts, classes, a threshold or a choice of detectors that nothing can be read by."""
