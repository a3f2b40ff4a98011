"""Tenants as they are configured.

Entry points: `TenantSettings`, `configured_tenant`.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from policies.document import Name, Policy
from policies.errors import choose_from
from service.callers import Allowance, Tenant
from service.errors import UnknownTenantError
from service.schemas import PolicyOrName

Count = Annotated[int, Field(strict=True, ge=1)]


class TenantSettings(BaseModel):
    """What holds for all keys of one tenant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    floor: PolicyOrName | None = Field(
        default=None, description="A policy, or the name of one, that holds on top of the service's floor."
    )
    concepts: frozenset[Name] | None = Field(
        default=None, description="The concepts that a request's own policy may name. Default: all."
    )
    requests_per_minute: Count | None = Field(default=None, description="Default: no limit.")
    images_per_minute: Count | None = Field(default=None, description="Default: no limit.")
    concurrent_images: Count | None = Field(
        default=None,
        description="Images that wait or are made at the same time; of jobs, those that are made. Default: no limit.",
    )
    share: Annotated[float, Field(ge=0.001, le=1000, allow_inf_nan=False)] = Field(
        default=1.0, description="Of the engine where others wait too, against the others' shares."
    )

    def tenant(self, name: str, policies: Mapping[str, Policy]) -> Tenant:
        """Return the tenant of this name, its floor looked up among the policies."""
        return Tenant(
            name,
            Allowance(
                requests_per_minute=self.requests_per_minute,
                images_per_minute=self.images_per_minute,
                concurrent_images=self.concurrent_images,
                share=self.share,
            ),
            policies[self.floor] if isinstance(self.floor, str) else self.floor,
            self.concepts,
        )


def configured_tenant(
    name: str, tenants: Mapping[str, TenantSettings], policies: Mapping[str, Policy]
) -> Tenant:
    """Return the tenant of this name; one without limits of its own where no tenants are configured at all.

    Raises UnknownTenantError where others are: a misspelt name would be a way round a tenant's floor.
    """
    if not tenants:
        return Tenant(name)
    if name not in tenants:
        raise UnknownTenantError(
            f"There is no tenant {name!r}.",
            value=name,
            cure=f"{choose_from(name, tenants)} Add it to tenants in the configuration, or create another key.",
        )
    return tenants[name].tenant(name, policies)
