"""Which member of a concept set an image gets: a draw decided by the image's seed alone.

Entry points: `draw`, `uniform_target`.
"""

import hashlib
from collections.abc import Mapping, Sequence


def uniform_target(members: Sequence[str]) -> dict[str, float]:
    """Return equal probabilities for the members of a set."""
    return {member: 1 / len(members) for member in members}


def draw(target: Mapping[str, float], seed: int, set_name: str) -> str:
    """Return the member of `set_name` that the image with this seed gets.

    `target` maps members to probabilities. The seed and the set's name are hashed to a number u in
    [0, 1), and u selects from the cumulative distribution of the members in alphabetical order. So
    the draw depends neither on the other images and sets of a request nor on the order in which
    the target was written, and the draws of one image from two sets are independent.
    """
    # The sum is 1 up to the document's tolerance; scaling u by it makes the last interval exact.
    total = sum(target.values())
    threshold = _uniform(seed, set_name) * total
    drawable = sorted(member for member, share in target.items() if share > 0)
    cumulative = 0.0
    for member in drawable:
        cumulative += target[member]
        if threshold < cumulative:
            return member
    # Only rounding of the cumulative sum can end here.
    return drawable[-1]


def _uniform(seed: int, set_name: str) -> float:
    """Hash to the 53 bits of a double in [0, 1)."""
    digest = hashlib.sha256(f"{set_name}:{seed}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53
