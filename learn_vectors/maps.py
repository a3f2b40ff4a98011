"""The maps that are learned: one of a concept, or one for each row of a guidance pair.

Entry points: `LearnedMap`, `maps_of`, and `placed`, which concepts' strengths each map is added at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from learn_vectors.concepts import Rows


@dataclass(frozen=True)
class LearnedMap:
    """One map [C, h, w] and where it goes."""

    concept: int
    """Whose it is: the place of a concept among those that are learned together."""
    on_conditional: bool
    on_unconditional: bool


def maps_of(rows: Sequence[Rows]) -> list[LearnedMap]:
    """Return the maps of concepts that are learned together, by the rows that each is for; conditional ones first."""
    maps = []
    for concept, goes_on in enumerate(rows):
        if goes_on == "each":
            maps += [LearnedMap(concept, True, False), LearnedMap(concept, False, True)]
        else:
            maps.append(
                LearnedMap(concept, goes_on in ("conditional", "both"), goes_on in ("unconditional", "both"))
            )
    return maps


def placed(maps: Sequence[LearnedMap], *, conditional: bool) -> torch.Tensor:
    """Return which maps are added to one row of a pair at which concept's strength, [concepts, maps] of 0 and 1."""
    places = torch.zeros(1 + max(one.concept for one in maps), len(maps))
    for number, one in enumerate(maps):
        places[one.concept, number] = one.on_conditional if conditional else one.on_unconditional
    return places
