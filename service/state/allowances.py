"""How much of its allowance a tenant has used, on all replicas together.

Entry points: `Allowances` (the interface of the stores that count), `Hold`, `limits_of`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from service.callers import Allowance
from service.errors import AllowanceExceeded

HOLD_KEPT_S: Final = 30.0
"""Places are free again this long after they were last renewed: their replica may be gone."""

WINDOW_S: Final = 60.0
"""What limits are counted over. A whole minute's allowance may be used at once; it grows back evenly."""

PLACE_RETRY_S: Final = 1.0
"""Nobody knows when a running image ends; this is when to ask again for its place."""

RESERVED_S: Final = 3.0
"""Places that come free are kept this long for who waits for them since it last asked."""


@dataclass(frozen=True)
class Hold:
    """What one request holds until it is released."""

    id: str
    tenant: str
    places: int
    """Of the tenant's concurrent images; none where it has no such limit."""


class Allowances(Protocol):
    """Counts each tenant's requests and images, for the threads of all replicas."""

    def take(self, tenant: str, allowance: Allowance, images: int, *, waits_as: str | None = None) -> Hold:
        """Count one request of so many images against each limit of the allowance, or against none of them.

        Who will ask again `waits_as` someone, and its hold has that name: where places are what it lacks, those that
        come free are kept for it for RESERVED_S, and nobody gets them who does not wait. Raises AllowanceExceeded where
        a limit has no room for it, with the one that takes longest to have.
        """
        ...

    def renew(self, hold: Hold) -> None:
        """Keep its places for another HOLD_KEPT_S; a store that has forgotten them counts them again."""
        ...

    def release(self, hold: Hold) -> None:
        """Give its places back, as often as it is called; what was counted per minute stays counted."""
        ...


@dataclass(frozen=True)
class Limit:
    """One limit that a request counts against."""

    name: str
    allowed: int
    count: int
    """How much of it the request takes."""


def limits_of(allowance: Allowance, images: int) -> tuple[Sequence[Limit], Limit | None]:
    """Return the limits per minute that a request of so many images counts against, and that of concurrent images.

    Raises AllowanceExceeded where it is beyond one of them even if nothing else is asked for.
    """
    rates = [
        Limit(name, allowed, count)
        for name, allowed, count in (
            ("requests_per_minute", allowance.requests_per_minute, 1),
            ("images_per_minute", allowance.images_per_minute, images),
        )
        if allowed is not None
    ]
    places = None
    if allowance.concurrent_images is not None:
        places = Limit("concurrent_images", allowance.concurrent_images, images)
    for limit in rates if places is None else [*rates, places]:
        if limit.count > limit.allowed:
            raise AllowanceExceeded(limit.name, limit.allowed, retry_after_s=None)
    return rates, places
