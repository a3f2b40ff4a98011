"""Does a policy fit the loaded concept sets and vectors?

Entry point: `check_policy`, run on named policies when they are loaded and before every plan.
"""

import math
from collections.abc import Mapping, Sequence

from policies.document import FairnessRule, Policy
from policies.errors import (
    ConflictError,
    StrengthError,
    UnknownConceptError,
    UnknownMemberError,
    UnknownSetError,
    choose_from,
)


def check_policy(
    policy: Policy,
    *,
    sets: Mapping[str, Sequence[str]],
    recommended: Mapping[str, float],
    max_strength: float = math.inf,
) -> None:
    """Raise a PolicyError unless every image of this policy can be steered as it says.

    `sets` maps concept sets to their members, `recommended` every concept with a vector to its
    recommended strength. Every member that could be drawn must have a vector, whether or not the
    next image draws it, and every strength must be within `max_strength` either way.
    """
    origin: dict[str, str] = {}

    def check_concept(concept: str, strength: float | None, *, field: str, source: str) -> None:
        if concept not in recommended:
            raise UnknownConceptError(
                f"There is no vector for the concept {concept!r} ({source}).",
                field=field,
                value=concept,
                cure=choose_from(concept, recommended),
            )
        if concept in origin:
            raise ConflictError(
                f"The concept {concept!r} is named by {origin[concept]} and by {source}.",
                field=field,
                value=concept,
                cure="Name it in one place: an image has one strength per concept.",
            )
        origin[concept] = source
        effective = recommended[concept] if strength is None else strength
        if not 0 < abs(effective) <= max_strength:
            which = "recommended strength" if strength is None else "strength"
            raise StrengthError(
                f"The {which} {effective:g} of {concept!r} is out of range.",
                field=f"{field.rpartition('.')[0]}.strength",
                value=effective,
                cure=f"Give a strength other than 0 and between -{max_strength:g} and {max_strength:g}.",
            )

    for index, fairness in enumerate(policy.fairness):
        field = f"fairness.{index}"
        _check_set(fairness, sets, field=field)
        for member in drawable_members(fairness, sets):
            check_concept(member, fairness.strength, field=f"{field}.set", source=f"the set {fairness.set!r}")
    for index, safety in enumerate(policy.safety):
        check_concept(
            safety.concept, safety.strength, field=f"safety.{index}.concept", source="a safety rule"
        )


def drawable_members(rule: FairnessRule, sets: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the members that the rule can draw: all without a target, else those with a share."""
    members = sets[rule.set]
    return [member for member in members if rule.target is None or rule.target.get(member, 0) > 0]


def _check_set(rule: FairnessRule, sets: Mapping[str, Sequence[str]], *, field: str) -> None:
    if rule.set not in sets:
        raise UnknownSetError(
            f"There is no concept set {rule.set!r}.",
            field=f"{field}.set",
            value=rule.set,
            cure=choose_from(rule.set, sets),
        )
    for member in rule.target or ():
        if member not in sets[rule.set]:
            raise UnknownMemberError(
                f"{member!r} is not a member of the set {rule.set!r}.",
                field=f"{field}.target",
                value=member,
                cure=choose_from(member, sets[rule.set]),
            )
