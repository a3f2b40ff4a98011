"""Numbers that look random and are decided by what they are for: the same at any place and time.

Entry points: `uniform`, `shuffled`.
"""

import hashlib
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def uniform(seed: int | str, purpose: str) -> float:
    """Hash a seed and what the number is for to the 53 bits of a double in [0, 1)."""
    digest = hashlib.sha256(f"{purpose}:{seed}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def shuffled(items: Iterable[T], seed: int | str, purpose: str) -> list[T]:
    """Return the items in an order decided by the seed and what it is for; every order is as likely."""
    numbered = sorted((uniform(seed, f"{purpose}:{place}"), place, item) for place, item in enumerate(items))
    return [item for _, _, item in numbered]
