"""Attributes by zero-shot CLIP: of each attribute's texts, the one that a picture is closest to.

Entry points: `ClipZeroShot`, `PEOPLE` (the texts of Li et al., CVPR 2024).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from PIL import Image
from torch.nn.functional import normalize

from detectors.clip_encoder import ClipEncoder
from detectors.detector import Reading
from detectors.errors import DetectorSettingsError

PEOPLE: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "gender": MappingProxyType({"woman": "a woman", "man": "a man"}),
        "race": MappingProxyType(
            {
                "black": "a black-race person",
                "white": "a white-race person",
                "asian": "an asian-race person",
            }
        ),
    }
)
"""Attribute -> value -> text, as Li et al. (arXiv 2311.17216) classify people with CLIP ViT-B/32."""


class ClipZeroShot:
    """Reads attributes that are given as texts. Each picture gets a value of each, whatever it shows."""

    def __init__(self, clip: ClipEncoder, texts: Mapping[str, Mapping[str, str]] = PEOPLE) -> None:
        """Embed the texts, attribute -> value -> text.

        Raises DetectorSettingsError where an attribute has fewer than two values or two of one text.
        """
        for attribute, by_value in texts.items():
            if len(set(by_value.values())) < max(2, len(by_value)) or not all(by_value.values()):
                raise DetectorSettingsError(
                    f"{attribute!r} cannot be told by the texts {list(by_value.values())}: give at least two "
                    "values, each with a text of its own, such as 'a woman' and 'a man'."
                )
        self.name = f"CLIP zero-shot ({clip.name})"
        self.attributes: Mapping[str, tuple[str, ...]] = {
            attribute: tuple(by_value) for attribute, by_value in texts.items()
        }
        self._clip = clip
        self._texts = {
            attribute: normalize(clip.texts(list(by_value.values()))) for attribute, by_value in texts.items()
        }

    def read(self, pictures: Sequence[Image.Image]) -> Sequence[Reading]:
        """Read pictures of any size, one reading each, in order."""
        directions = normalize(self._clip.pictures(pictures))
        closest = {
            attribute: (directions @ texts.T).argmax(dim=1).tolist()
            for attribute, texts in self._texts.items()
        }
        return [
            {attribute: self.attributes[attribute][closest[attribute][number]] for attribute in closest}
            for number in range(len(pictures))
        ]
