"""What the served vectors are to policies: names and plain numbers.

Entry points: `concepts_of`, and `site_scales` for the unit it needs.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

import torch

from diffusion import DiffusionModel
from diffusion.activation import site_scale
from policies.concepts import Concepts
from vectors import ConceptVector


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
        products=_products(vectors, scales),
        guided_only=frozenset(concept for concept, vector in vectors.items() if vector.needs_guidance),
    )


def _products(
    vectors: Mapping[str, ConceptVector], scales: Mapping[str, float]
) -> dict[tuple[str, str], float]:
    """Return the inner products of vectors of one site and shape, in squares of the norm of the site's output.

    Of the maps that meet on a row of a guidance pair; the larger where vectors meet on both rows, 0 where on none.
    """
    products: dict[tuple[str, str], float] = {}
    for site, shape in dict.fromkeys((vector.site, vector.shape) for vector in vectors.values()):
        alike = [name for name, vector in vectors.items() if (vector.site, vector.shape) == (site, shape)]
        rows = [
            _products_on({name: vectors[name] for name in alike}, half, scales[site])
            for half in (True, False)
        ]
        products |= {
            (one, other): max((row[one, other] for row in rows if (one, other) in row), default=0.0)
            for one, other in product(alike, alike)
        }
    return products


def _products_on(
    vectors: Mapping[str, ConceptVector], conditional: bool, scale: float
) -> dict[tuple[str, str], float]:
    """Return the inner products of those vectors that are added to one row of a guidance pair."""
    # Those that are not added take part as zeros: how a product is rounded depends on how many there are.
    maps = {name: vector.on(conditional=conditional) for name, vector in vectors.items()}
    values = torch.stack(
        [
            (torch.zeros(vectors[name].shape) if one is None else one).double().flatten()
            for name, one in maps.items()
        ]
    )
    gram = (values @ values.T / (values.shape[1] * scale**2)).flatten().tolist()
    return {
        (one, other): found
        for (one, other), found in zip(product(maps, maps), gram, strict=True)
        if maps[one] is not None and maps[other] is not None
    }
