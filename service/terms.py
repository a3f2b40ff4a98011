"""What holds for one request of one caller: its policy on both floors, and what it may name.

Entry points: `Terms`, `terms_of`.
"""

from dataclasses import dataclass

from policies.allowed import check_allowed, named_concepts
from policies.check import check_policy
from policies.concepts import Concepts
from policies.document import Policy
from policies.floor import under_floor
from policies.joint_floor import joint_floor
from service.callers import Tenant


@dataclass(frozen=True)
class Terms:
    """What holds for one request of one caller."""

    tenant: str
    policy: Policy
    """The request's, before the floor."""
    floor: Policy | None
    """What the service's floor and the tenant's hold together."""
    in_force: Policy
    """The policy with all that the floor holds."""
    allowed: frozenset[str] | None
    """The concepts that the request itself may name; None for all."""


def terms_of(
    policy: Policy, *, is_own: bool, tenant: Tenant, service_floor: Policy | None, concepts: Concepts
) -> Terms:
    """Return what holds under a policy, which is the request's own document or a configured one.

    Configured policies are whoever configured them's to answer for: the tenant's list of concepts is for what stands
    in requests. Raises NotAllowedError, FloorUnmetError, and what `under_floor` and `check_policy` raise.
    """
    floor = joint_floor(service_floor, tenant.floor, concepts)
    allowed = _allowed(tenant, floor, concepts)
    if is_own:
        check_allowed(policy, allowed, concepts.sets)
    in_force = under_floor(policy, floor, concepts)
    check_policy(in_force, concepts)
    return Terms(tenant.name, policy, floor, in_force, allowed)


def _allowed(tenant: Tenant, floor: Policy | None, concepts: Concepts) -> frozenset[str] | None:
    """Return the concepts that a tenant's requests may name: what its floor names can only be made stronger."""
    if tenant.concepts is None or floor is None:
        return tenant.concepts
    return tenant.concepts.union(concept for _, concept in named_concepts(floor, concepts.sets))
