"""Vectors on the device for as long as rows use them.

Entry point: `ResidentVectors`.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict

import torch

from vectors import ConceptVector

logger = logging.getLogger(__name__)


class ResidentVectors:
    """The vectors of one site, for maps of one size, in one tensor whose places are given out and taken back.

    A vector that nobody uses any more stays until its place is needed, so those that are used again and again are
    copied to the device once. The tensor moves only where more vectors are in use than ever before. They lie in the
    order of their digests: what is summed in the order of the bank is the same whatever was used before.
    """

    def __init__(self, shape: tuple[int, int, int], device: torch.device, places: int = 32) -> None:
        layout = torch.channels_last if device.type == "cuda" else torch.contiguous_format
        self.values = torch.zeros(places, *shape, device=device).to(memory_format=layout)
        """[places, C, h, w], fp32, laid out as the U-Net's maps are, see `diffusion.loading`."""
        self._places: OrderedDict[str, int] = OrderedDict()
        """By digest, the one unused for longest first."""
        self._users: Counter[str] = Counter()

    def hold(self, digest: str, vector: ConceptVector) -> None:
        """Keep a vector here, put in if it is new; each call is answered by one of `release`."""
        if digest not in self._places:
            place = self._free_place()
            _, height, width = self.values.shape[1:]
            if vector.shape[1:] != (height, width):
                logger.info(
                    "Vector %s resized from %d x %d to %d x %d.",
                    vector.concept,
                    *vector.shape[1:],
                    height,
                    width,
                )
            self.values[place] = vector.resized(height, width).values.to(self.values)
            self._places[digest] = place
            self._sort()
        self._places.move_to_end(digest)
        self._users[digest] += 1

    def place(self, digest: str) -> int:
        """Return where a vector that is held lies now; another that is put in may move it."""
        return self._places[digest]

    def release(self, digest: str) -> None:
        """Say that one user of a vector is done with it."""
        self._users[digest] -= 1
        if not self._users[digest]:
            del self._users[digest]

    def _free_place(self) -> int:
        """Return a place nobody uses: an empty one, that of the vector unused for longest, or a new one."""
        if len(self._places) < len(self.values):
            return next(iter(set(range(len(self.values))) - set(self._places.values())))
        for digest in self._places:
            if digest not in self._users:
                return self._places.pop(digest)
        self.values = torch.cat([self.values, torch.zeros_like(self.values)])
        return len(self._places)

    def _sort(self) -> None:
        """Put the vectors in order, in the places that they have."""
        digests, places = sorted(self._places), sorted(self._places.values())
        sources = [self._places[digest] for digest in digests]
        if sources != places:
            self.values[places] = self.values[sources]
            self._places.update(zip(digests, places, strict=True))
