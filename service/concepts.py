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
        guided_only=frozenset(
            concept for concept, vector in vectors.items() if not vector.goes_on(conditional=True)
        ),
    )


def _meet(one: ConceptVector, other: ConceptVector) -> bool:
    """Whether there is a row of a guidance pair that both are added to."""
    return any(one.goes_on(conditional=half) and other.goes_on(conditional=half) for half in (True, False))


def _products(
    vectors: Mapping[str, ConceptVector], scales: Mapping[str, float]
) -> dict[tuple[str, str], float]:
    """Return the inner products of vectors of one site and shape, in squares of the norm of the site's output."""
    products: dict[tuple[str, str], float] = {}
    for site, shape in dict.fromkeys((vector.site, vector.shape) for vector in vectors.values()):
        alike = [name for name, vector in vectors.items() if (vector.site, vector.shape) == (site, shape)]
        values = torch.stack([vectors[name].values.double().flatten() for name in alike])
        gram = (values @ values.T / (values.shape[1] * scales[site] ** 2)).tolist()
        products |= {
            (alike[row], alike[column]): gram[row][column]
            if _meet(vectors[alike[row]], vectors[alike[column]])
            else 0.0
            for row, column in product(range(len(alike)), repeat=2)
        }
    return products
