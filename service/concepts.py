"""What the loaded vectors are to policies: names and plain numbers.

Entry point: `concepts_of`.
"""

from collections.abc import Mapping
from itertools import product

import torch

from diffusion import DiffusionModel
from diffusion.activation import site_scale
from policies.concepts import Concepts
from vectors import ConceptVector


def concepts_of(
    model: DiffusionModel,
    vectors: Mapping[str, ConceptVector],
    sets: Mapping[str, tuple[str, ...]],
    max_strength: float,
) -> Concepts:
    """Return what policies can name on this model; its activation is measured once, for the sizes of the vectors."""
    return Concepts(
        sets=sets,
        recommended={concept: vector.recommended_strength for concept, vector in vectors.items()},
        max_strength=max_strength,
        words={
            concept: ", ".join(vector.prompts.negative_prompt)
            for concept, vector in vectors.items()
            if vector.prompts.negative_prompt
        },
        products=_products(model, vectors),
    )


def _products(model: DiffusionModel, vectors: Mapping[str, ConceptVector]) -> dict[tuple[str, str], float]:
    """Return the inner products of vectors of one site and shape, in squares of the norm of the site's output."""
    products: dict[tuple[str, str], float] = {}
    for site in dict.fromkeys(vector.site for vector in vectors.values()):
        scale = site_scale(model, site)
        for shape in dict.fromkeys(vector.shape for vector in vectors.values() if vector.site == site):
            alike = [name for name, vector in vectors.items() if (vector.site, vector.shape) == (site, shape)]
            values = torch.stack([vectors[name].values.double().flatten() for name in alike])
            gram = (values @ values.T / (values.shape[1] * scale**2)).tolist()
            products |= {
                (alike[row], alike[column]): gram[row][column]
                for row, column in product(range(len(alike)), repeat=2)
            }
    return products
