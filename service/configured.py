"""The policies that a service is configured with: what requests can name, what holds by default, the floors.

Entry point: `ConfiguredPolicies`. `service.following` says what of them cannot be followed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.document import Policy
from policies.errors import choose_from
from service.errors import UnknownPolicyError
from service.tenants import TenantSettings


@dataclass(frozen=True)
class ConfiguredPolicies:
    """Policies by name, which of them holds for a request that names none, and what holds for every request."""

    named: Mapping[str, Policy]
    default: str
    floor: Policy | None = None
    tenants: Mapping[str, TenantSettings] = field(default_factory=dict)
    """What holds for each tenant's keys; a tenant's floor may be one of the policies."""

    @property
    def shares(self) -> Mapping[str, float]:
        """Each tenant's share of the engine."""
        return {name: tenant.share for name, tenant in self.tenants.items()}

    def find(self, asked: Policy | str | None) -> Policy:
        """Return the policy of a request; raises UnknownPolicyError for a name that is not configured."""
        if isinstance(asked, Policy):
            return asked
        name = self.default if asked is None else asked
        if name not in self.named:
            raise UnknownPolicyError(
                f"There is no policy {name!r}.",
                field="policy",
                value=name,
                cure=choose_from(name, self.named),
            )
        return self.named[name]
