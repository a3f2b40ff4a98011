"""What can go wrong in this room.

EvaluationError               an evaluation cannot be made as asked
└── RunStoreError             a run directory cannot be used
    └── OtherSettingsError    it holds the pictures of an evaluation with other settings
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class EvaluationError(Exception):
    """An evaluation cannot be made as asked; its text names the bad value and the cure."""


class RunStoreError(EvaluationError):
    """A run directory cannot be used."""


class OtherSettingsError(RunStoreError):
    """A run directory holds the pictures of an evaluation with other settings."""

    def __init__(self, root: Path, differences: Sequence[str]) -> None:
        self.root = root
        self.differences = tuple(differences)
        super().__init__(
            f"{root} holds the pictures of another evaluation ({'; '.join(differences)}): give another "
            "directory, or the settings it was begun with."
        )
