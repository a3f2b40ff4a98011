"""Whether the configured policies can be followed with the vectors there are.

Entry points: `unfollowed` and what it returns, `Unfollowed`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from diffusion import DiffusionModel
from policies.check import check_policy
from policies.concepts import Concepts
from policies.errors import PolicyError
from policies.floor import check_floor, under_floor
from policies.joint_floor import joint_floor
from policies.screen_rule import check_screen
from service.configured import ConfiguredPolicies
from service.limits import check_rules_can_act


@dataclass(frozen=True)
class Unfollowed:
    """A configured policy that cannot be followed, and why."""

    which: str
    """In words that begin a sentence: "The floor", "The policy 'default'"."""
    error: PolicyError

    def __str__(self) -> str:
        return f"{self.which} cannot be followed ({self.error.field}): {self.error}"


def unfollowed(
    policies: ConfiguredPolicies,
    concepts: Concepts,
    model: DiffusionModel,
    screened_categories: Sequence[str],
) -> list[Unfollowed]:
    """Return what keeps the floor, every policy on it, and the tenants' floors from being followed; or nothing."""
    floor = policies.floor
    if floor is not None:
        try:
            check_floor(floor, concepts)
            check_rules_can_act(floor, concepts, model)
            check_screen(floor.screen, screened_categories)
        except PolicyError as error:
            # Every policy on it would fail for the same reason.
            return [Unfollowed("The floor", error)]
    problems = []
    for name, policy in policies.named.items():
        try:
            check_policy(policy, concepts)
            check_rules_can_act(under_floor(policy, floor, concepts), concepts, model)
            check_screen(policy.screen, screened_categories)
        except PolicyError as error:
            problems.append(Unfollowed(f"The policy {name!r}", error))
    default = policies.named[policies.default]
    for name, tenant in policies.tenants.items():
        try:
            own = joint_floor(floor, tenant.tenant(name, policies.named).floor, concepts)
            for held in (own, under_floor(default, own, concepts)):
                if held is not None:
                    check_rules_can_act(held, concepts, model)
                    check_screen(held.screen, screened_categories)
        except PolicyError as error:
            problems.append(Unfollowed(f"The floor of the tenant {name!r}, under the default policy,", error))
    return problems
