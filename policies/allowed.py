"""Which concepts a policy names, and whether a caller's policy may name them.

Entry points: `named_concepts`, `check_allowed`.
"""

from collections.abc import Iterator, Mapping, Sequence, Set

from policies.check import drawable_members
from policies.document import Policy
from policies.errors import NotAllowedError, choose_from


def named_concepts(policy: Policy, sets: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Yield the field and the name of every concept that a policy adds, averts or may draw.

    A set that is not there names none: `check_policy` refuses it.
    """
    for index, rule in enumerate(policy.fairness):
        for member in drawable_members(rule, sets) if rule.set in sets else ():
            yield f"fairness.{index}.set", member
    for index, safety in enumerate(policy.safety):
        yield f"safety.{index}.concept", safety.concept


def check_allowed(policy: Policy, allowed: Set[str] | None, sets: Mapping[str, Sequence[str]]) -> None:
    """Raise NotAllowedError where a policy names a concept that is not allowed; None allows all."""
    if allowed is None:
        return
    for field, concept in named_concepts(policy, sets):
        if concept not in allowed:
            raise NotAllowedError(
                f"The concept {concept!r} is not among those that this tenant's policies may name.",
                field=field,
                value=concept,
                cure=f"Leave it out. {choose_from(concept, allowed)}" if allowed else "Leave it out.",
            )
