"""The seeds of a request's images.

Entry point: `image_seeds`.
"""

import secrets

SEED_LIMIT = 2**63

# Drawn seeds stay short to read, and exact in parsers that keep numbers as doubles.
_DRAWN_SEED_LIMIT = 2**32


def image_seeds(seed: int | None, count: int) -> list[int]:
    """Return the seeds of a request's images: consecutive, modulo 2**63, from `seed` or a drawn one."""
    first = secrets.randbelow(_DRAWN_SEED_LIMIT) if seed is None else seed
    return [(first + index) % SEED_LIMIT for index in range(count)]
