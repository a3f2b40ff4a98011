"""Who is owed the next image: counts of what has been served, against a target.

Entry points: `Ledger` (the interface of the stores that keep the counts), `most_underserved` (the choice), `shares_of`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from policies.errors import ProbabilityError


class Ledger(Protocol):
    """Counts, for each key, how many images every member has been given."""

    def take(self, key: str, target: Mapping[str, float], count: int) -> list[str]:
        """Atomically choose `count` members one after another, each the most underserved against `target`
        (largest target[m] * (total+1) - served[m], ties by name), count them, and return them."""
        ...

    def served(self, key: str) -> Mapping[str, int]:
        """Return how many images each member has been given; those without any are absent."""
        ...

    def give_back(self, key: str, members: Sequence[str]) -> None:  # images that failed or were cancelled
        """Count these members once less each, one that is named twice twice; never below nothing."""
        ...


def shares_of(target: Mapping[str, float]) -> dict[str, float]:
    """Return the members that have a share, by name, with their shares scaled to sum to 1.

    A document's shares may miss 1 by a little; unscaled, what they miss would grow with the count of images until a
    member without a share seemed owed one. Raises ProbabilityError where no member has a share.
    """
    total = math.fsum(target.values())
    if not (math.isfinite(total) and total > 0):
        raise ProbabilityError(
            f"The shares sum to {total:g}: nobody can be chosen.",
            value=dict(target),
            cure="Give at least one member a share above 0.",
        )
    return {member: share / total for member, share in sorted(target.items()) if share > 0}


def most_underserved(shares: Mapping[str, float], served: Mapping[str, int]) -> str:
    """Return the member that the next image is owed to: the largest shares[m] * (total + 1) - served[m].

    `total` counts the members of `shares` alone, so that a member that left the target owes the others nothing. Of
    equals, the first by name is chosen. No member is ever a whole image ahead of its share; of two, none is ever a
    whole image behind. This is the quota rule of the chairman assignment problem (Tijdeman, Discrete Mathematics 32,
    1980), without its deadlines.
    """
    total = sum(served.get(member, 0) for member in shares)
    return max(sorted(shares), key=lambda member: shares[member] * (total + 1) - served.get(member, 0))
