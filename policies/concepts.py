"""What policies can name, and what is known of it: plain numbers, taken from the loaded vectors by whoever loads them.

Entry point: `Concepts`.
"""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Concepts:
    """The concept sets and the concepts that have a vector."""

    sets: Mapping[str, Sequence[str]]
    """Concept set -> its members."""
    recommended: Mapping[str, float]
    """Concept -> its vector's recommended strength; a concept that is not here has no vector."""
    max_strength: float = math.inf
    """The largest absolute strength of a concept."""
    words: Mapping[str, str] = field(default_factory=dict)
    """Concept -> the words for what it prevents, where its vector was learned with some."""
    products: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """Two concepts -> the inner product of their vectors at strength 1, in squares of the norm of the steered
    activation; both orders are there, and a concept with itself. Vectors that cannot be compared have none. Of the
    rows of a guidance pair it is that where it is larger."""
    row_products: Sequence[Mapping[tuple[str, str], float]] = ()
    """The same on each row of a guidance pair, of those that are added there; none where it is the same on all."""
    guided_only: Set[str] = frozenset()
    """The concepts whose vector has a map for the unconditional row of a guidance pair: without guidance it does not
    do what it was learned for."""

    def along(self, concept: str, other: str, ratio: float) -> float:
        """Return what share of the other's vector a concept's adds at `ratio` times its strength; below 0 it undoes.

        On the row of a guidance pair where that is least. Both are among `products`.
        """
        rows = self.row_products or (self.products,)
        shares = [
            ratio * row.get((concept, other), 0.0) / row[other, other]
            for row in rows
            if row.get((other, other), 0.0) > 0
        ]
        return min(shares, default=0.0)

    def strength(self, concept: str, given: float | None) -> float:
        """Return the strength that a rule gives, or the recommended one."""
        return self.recommended[concept] if given is None else given
