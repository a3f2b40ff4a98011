"""Vectors on the device for as long as rows use them.

Entry point: `ResidentVectors`.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict

import torch

from diffusion.layout import fastest_layout
from vectors import ConceptVector

logger = logging.getLogger(__name__)


class ResidentVectors:
    """The vectors of one site, for maps of one size, in one tensor whose places are given out and taken back.

    A vector has a place for each of its maps: one, or two where unconditional rows get one of their own. A map that
    nobody uses any more stays until its place is needed, so those that are used again and again are copied to the
    device once. The tensor moves only where more maps are in use than ever before. They lie in the order of the
    vectors' digests: what is summed in the order of the bank is the same whatever was used before.
    """

    def __init__(self, shape: tuple[int, int, int], device: torch.device, places: int = 32) -> None:
        self.values = torch.zeros(places, *shape, device=device).to(memory_format=fastest_layout(device))
        """[places, C, h, w], fp32, laid out as the U-Net's maps are, see `diffusion.layout`."""
        self._places: OrderedDict[tuple[str, bool], int] = OrderedDict()
        """By digest and whether it is the map of unconditional rows alone, the one unused for longest first."""
        self._users: Counter[str] = Counter()

    def hold(self, digest: str, vector: ConceptVector) -> None:
        """Keep a vector here, put in if it is new; each call is answered by one of `release`."""
        keys = [(digest, is_second) for is_second in (False, True)[: len(vector.maps)]]
        if not self._places.keys() >= set(keys):
            for key, values in zip(keys, self._sized(vector).maps, strict=True):
                if key not in self._places:
                    place = self._free_place(digest)
                    self.values[place] = values.to(self.values)
                    self._places[key] = place
            self._sort()
        for key in keys:
            self._places.move_to_end(key)
        self._users[digest] += 1

    def place(self, digest: str, *, conditional: bool = True) -> int:
        """Return where a held vector's map of conditional or unconditional rows lies now.

        One map may be both. Another vector that is put in may move it.
        """
        is_second = not conditional and (digest, True) in self._places
        return self._places[digest, is_second]

    def release(self, digest: str) -> None:
        """Say that one user of a vector is done with it."""
        self._users[digest] -= 1
        if not self._users[digest]:
            del self._users[digest]

    def _sized(self, vector: ConceptVector) -> ConceptVector:
        _, height, width = self.values.shape[1:]
        if vector.shape[1:] != (height, width):
            logger.info(
                "Vector %s resized from %d x %d to %d x %d.", vector.concept, *vector.shape[1:], height, width
            )
        return vector.resized(height, width)

    def _free_place(self, digest: str) -> int:
        """Return a place for `digest`: an empty one, that of the map of others unused for longest, or a new one."""
        if len(self._places) < len(self.values):
            return next(iter(set(range(len(self.values))) - set(self._places.values())))
        for key in self._places:
            if key[0] not in self._users and key[0] != digest:
                return self._places.pop(key)
        self.values = torch.cat([self.values, torch.zeros_like(self.values)])
        return len(self._places)

    def _sort(self) -> None:
        """Put the vectors in order, in the places that they have."""
        keys, places = sorted(self._places), sorted(self._places.values())
        sources = [self._places[key] for key in keys]
        if sources != places:
            self.values[places] = self.values[sources]
            self._places.update(zip(keys, places, strict=True))
