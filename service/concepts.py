"""What the served vectors are to policies: names and plain numbers.

Entry points: `concepts_of`, and `site_scales` for the unit it needs.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import TypeAlias

import torch

from diffusion import DiffusionModel
from diffusion.activation import site_scale
from policies.concepts import Concepts
from vectors import ConceptVector

_Products: TypeAlias = dict[tuple[str, str], float]
"""Two concepts -> the inner product of their vectors."""


def site_scales(model: DiffusionModel, sites: Iterable[str]) -> dict[str, float]:
    """Return the root mean square of each site's output; not while an engine makes images with the model."""
    return {site: site_scale(model, site) for site in dict.fromkeys(sites)}


def concepts_of(
    vectors: Mapping[str, ConceptVector],
    sets: Mapping[str, Sequence[str]],
    max_strength: float,
    scales: Mapping[str, float],
) -> Concepts:
    """Return what policies can name, from the vectors and the `scales` of their sites."""
    return Concepts(
        sets=sets,
        recommended={concept: vector.recommended_strength for concept, vector in vectors.items()},
        max_strength=max_strength,
        words={
            concept: ", ".join(vector.prompts.negative_prompt)
            for concept, vector in vectors.items()
            if vector.prompts.negative_prompt
        },
        products=_larger(rows := _products(vectors, scales)),
        row_products=rows,
        guided_only=frozenset(concept for concept, vector in vectors.items() if vector.needs_guidance),
    )


def _products(
    vectors: Mapping[str, ConceptVector], scales: Mapping[str, float]
) -> tuple[_Products, _Products]:
    """Return the inner products of vectors of one site and shape, in squares of the norm of the site's output.

    For the conditional row of a guidance pair and for the unconditional one; 0 of vectors that do not meet there.
    """
    rows: tuple[_Products, _Products] = ({}, {})
    for site, shape in dict.fromkeys((vector.site, vector.shape) for vector in vectors.values()):
        alike = {
            name: vector for name, vector in vectors.items() if (vector.site, vector.shape) == (site, shape)
        }
        for row, conditional in zip(rows, (True, False), strict=True):
            row |= _products_on(alike, conditional, scales[site])
    return rows


def _larger(rows: tuple[_Products, _Products]) -> _Products:
    """Return each product on the row where both vectors are and it is larger; 0 where they are on no row together."""
    first, second = rows
    return {
        (one, other): max(
            (row[one, other] for row in rows if row[one, one] > 0 and row[other, other] > 0), default=0.0
        )
        for one, other in first.keys() | second.keys()
    }


def _products_on(
    vectors: Mapping[str, ConceptVector], conditional: bool, scale: float
) -> dict[tuple[str, str], float]:
    """Return the inner products of vectors as they are added to one row of a guidance pair, as nothing or by a map."""
    maps = [vector.on(conditional=conditional) for vector in vectors.values()]
    values = torch.stack(
        [
            (torch.zeros(vector.shape) if one is None else one).double().flatten()
            for one, vector in zip(maps, vectors.values(), strict=True)
        ]
    )
    gram = (values @ values.T / (values.shape[1] * scale**2)).flatten().tolist()
    return dict(zip(product(vectors, vectors), gram, strict=True))
