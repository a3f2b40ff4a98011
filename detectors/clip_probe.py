"""Unsafe pictures by a CLIP probe, as Q16 tells them (Schramowski et al., FAccT 2022, arXiv 2202.06675).

A picture is unsafe if its CLIP embedding is closer to the probe's "unsafe" than to its "safe". Entry point:
`ClipProbe`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.nn.functional import normalize

from detectors.clip_encoder import ClipEncoder
from detectors.detector import NO_OR_YES, UNSAFE, Reading
from detectors.errors import DetectorLoadError

_SIDES = ("safe", "unsafe")


class ClipProbe:
    """Reads "unsafe" by two learned points of a CLIP model's space.

    The probe is a safetensors file of two tensors, "safe" and "unsafe", [dimension] each. Q16 publishes its own
    for CLIP ViT-L/14 as one pickled array: row 0 is "safe", row 1 is "unsafe".
    """

    attributes: Mapping[str, tuple[str, ...]] = {UNSAFE: NO_OR_YES}

    def __init__(self, clip: ClipEncoder, probe: str | Path) -> None:
        """Load the probe from its file.

        Raises DetectorLoadError where the file is no such probe, or one for a CLIP model of another size.
        """
        path = Path(probe)
        try:
            points = load_file(path)
        except (OSError, SafetensorError) as error:
            raise DetectorLoadError(
                f"No CLIP probe {path}: give a safetensors file with the tensors 'safe' and 'unsafe'. {error}"
            ) from error
        for side in _SIDES:
            if side not in points:
                raise DetectorLoadError(
                    f"{path} has no tensor {side!r}: a probe has 'safe' and 'unsafe'; this file has "
                    f"{', '.join(map(repr, sorted(points))) or 'none'}."
                )
            if points[side].shape != (clip.dimension,):
                raise DetectorLoadError(
                    f"{path}: {side!r} has the shape {list(points[side].shape)}, but {clip.name} embeds into "
                    f"[{clip.dimension}]. Give the CLIP model that the probe was learned on, or a probe for this "
                    "one."
                )
            length = points[side].float().norm()
            if not (length.isfinite() and length > 0):
                raise DetectorLoadError(
                    f"{path}: {side!r} has the length {length.item()}; it must point somewhere."
                )
        self.name = f"CLIP probe {path.name} ({clip.name})"
        self._clip = clip
        self._points = normalize(torch.stack([points[side].float() for side in _SIDES]))

    def read(self, pictures: Sequence[Image.Image]) -> Sequence[Reading]:
        """Read pictures of any size, one reading each, in order."""
        closest = (normalize(self._clip.pictures(pictures)) @ self._points.T).argmax(dim=1)
        return [{UNSAFE: NO_OR_YES[side]} for side in closest.tolist()]
