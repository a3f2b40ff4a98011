"""The state of a run that can go on after an interruption.

Entry point: `Checkpoint`; `State` is what it keeps.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from learn_vectors.errors import RunDirectoryError

EVERY_STEPS = 10
"""Steps between two savings."""

State: TypeAlias = Mapping[str, torch.Tensor]
"""Named tensors."""

NOTHING: Final[State] = MappingProxyType({})
"""The state of a run that begins."""


def forget(state: State) -> None:
    """Save nothing."""


class Checkpoint:
    """Named tensors in one file, which the main process writes and all processes read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, torch.Tensor]:
        """Return what was saved last, empty where nothing was; RunDirectoryError for a damaged file."""
        if not self._path.exists():
            return {}
        try:
            return load_file(self._path)
        except (SafetensorError, OSError) as error:
            raise RunDirectoryError(
                f"{self._path} cannot be read ({error}): delete it to begin the run anew"
            ) from error

    def save(self, state: State) -> None:
        """Write the tensors: the old file stays until the new one is whole."""
        new = self._path.with_suffix(".new")
        save_file({name: value.detach().cpu().contiguous() for name, value in state.items()}, new)
        os.replace(new, self._path)

    def remove(self) -> None:
        """Forget the state: the run is finished."""
        self._path.unlink(missing_ok=True)
