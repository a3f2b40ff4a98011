"""Who asks, and what they may do.

Entry points: `Caller`, `Tenant`; and `anyone` and `passer_by`, the callers of a service that has no keys.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from policies.document import Policy

Role: TypeAlias = Literal["generate", "read", "admin"]

ALL_ROLES: frozenset[Role] = frozenset({"generate", "read", "admin"})


@dataclass(frozen=True)
class Allowance:
    """How much a tenant may ask for; None is without a limit of its own."""

    requests_per_minute: int | None = None
    images_per_minute: int | None = None
    concurrent_images: int | None = None
    share: float = 1.0
    """Of the engine, where others wait too, against the others' shares."""

    @property
    def unlimited(self) -> bool:
        """Whether there is nothing to count."""
        limits = (self.requests_per_minute, self.images_per_minute, self.concurrent_images)
        return all(limit is None for limit in limits)


@dataclass(frozen=True)
class Tenant:
    """A company or a team: what holds for all of its keys."""

    name: str = ""
    allowance: Allowance = field(default_factory=Allowance)
    floor: Policy | None = None
    """What holds for each of its requests, with all that the service's own floor holds."""
    concepts: frozenset[str] | None = None
    """The concepts that a request's own policy may name; None for all."""


@dataclass(frozen=True)
class Caller:
    """A tenant's key, by its id, and what it may do; the id is None where the service has no keys."""

    tenant: Tenant = field(default_factory=Tenant)
    key_id: str | None = None
    roles: frozenset[Role] = ALL_ROLES


def anyone() -> Caller:
    """Return the caller of a service without keys: it listens to this machine alone, and all may do all."""
    return Caller()


def passer_by() -> Caller:
    """Return the caller of a service without keys that others than this machine may reach: it changes nothing."""
    return Caller(roles=ALL_ROLES - {"admin"})
