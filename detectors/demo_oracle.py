"""The demo model's oracle as a detector.

Entry point: `DemoOracle`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from PIL import Image

from demo_model.oracle import ATTRIBUTES, load_oracle
from detectors.detector import Reading


class DemoOracle:
    """Reads the drawn world's attributes: subject, scene, gender, race, profession and the yes/no ones.

    "glasses", "old", and the stand-ins "heart" (sexual) and "splash" (violent) are "yes" or "no".
    """

    name = "demo oracle"

    def __init__(self) -> None:
        self._oracle = load_oracle()

    @property
    def attributes(self) -> Mapping[str, tuple[str, ...]]:
        """The attributes of the drawn world and their values."""
        return ATTRIBUTES

    def read(self, pictures: Sequence[Image.Image]) -> Sequence[Reading]:
        """Read pictures of any size, one reading each, in order."""
        return self._oracle.read(pictures) if pictures else []

    def features(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        """Return what the oracle's last layer reads from, [pictures, 128], for distances between sets of pictures."""
        seen = [torch.empty(0, self._oracle.heads.in_features)]
        with self._oracle.heads.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone())):
            self.read(pictures)
        return torch.cat(seen)
