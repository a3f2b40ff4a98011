"""The cap: an image's vectors together are at most so large, since large ones pull it off its prompt.

Entry point: `capped`.
"""

import math
from collections.abc import Mapping, Set

from policies.errors import StrengthError

TOLERANCE = 1e-9
"""Relative; what is scaled to the limit itself leaves no room by rounding."""


def capped(
    strengths: Mapping[str, float],
    products: Mapping[tuple[str, str], float],
    *,
    limit: float | None,
    held: Set[str] = frozenset(),
    held_limit: float | None = None,
) -> dict[str, float]:
    """Return the strengths, scaled down where the norm of the vectors' sum exceeds `limit`.

    `products` are inner products of vectors at strength 1 in squares of the unit of `limit`; vectors that have none
    cannot be compared and count as orthogonal. All are taken to be added at once, whatever their timesteps.

    The `held` concepts are scaled by `held_limit` alone, all by one factor; then the others by one factor, into the
    room that those leave, which may be none: 0. So no other concept takes anything from a held one.
    Raises StrengthError where a vector's size is not known.
    """
    if limit is None and held_limit is None:
        return dict(strengths)
    _check_sizes(strengths, products)
    kept = {concept: strength for concept, strength in strengths.items() if concept in held}
    others = {concept: strength for concept, strength in strengths.items() if concept not in held}
    kept = _times(kept, _factor({}, kept, products, held_limit))
    others = _times(others, _factor(kept, others, products, limit))
    return {concept: (kept | others)[concept] for concept in strengths}


def combined_norm(strengths: Mapping[str, float], products: Mapping[tuple[str, str], float]) -> float:
    """Return the norm of the sum of vectors with these strengths, in the unit of the products."""
    return math.sqrt(max(0.0, _product(strengths, strengths, products)))


def _factor(
    kept: Mapping[str, float],
    others: Mapping[str, float],
    products: Mapping[tuple[str, str], float],
    limit: float | None,
) -> float:
    """Return the largest factor up to 1 with which the others stay within the limit, beside what is kept."""
    if limit is None or not others:
        return 1.0
    # |kept + k others|^2 = a + 2 b k + c k^2
    a = _product(kept, kept, products)
    b = _product(kept, others, products)
    c = _product(others, others, products)
    if a + 2 * b + c <= limit**2:
        return 1.0
    if a >= limit**2 * (1 - TOLERANCE):
        return 0.0
    return min(1.0, (math.sqrt(b * b + c * (limit**2 - a)) - b) / c)


def _product(
    left: Mapping[str, float], right: Mapping[str, float], products: Mapping[tuple[str, str], float]
) -> float:
    return math.fsum(
        one * other * products.get((name, its_name), 0.0)
        for name, one in left.items()
        for its_name, other in right.items()
    )


def _times(strengths: Mapping[str, float], factor: float) -> dict[str, float]:
    return {concept: strength * factor for concept, strength in strengths.items()}


def _check_sizes(strengths: Mapping[str, float], products: Mapping[tuple[str, str], float]) -> None:
    for concept in strengths:
        if (concept, concept) not in products:
            raise StrengthError(
                f"The size of the vector of {concept!r} is not known.",
                field="max_norm",
                value=concept,
                cure="Leave max_norm out.",
            )
