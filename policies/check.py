"""Does a policy fit the loaded concept sets and vectors?

Entry point: `check_policy`, run on named policies when they are loaded and before every plan.
"""

from collections.abc import Mapping, Sequence

from policies.cells import joint_target
from policies.concepts import Concepts
from policies.document import FairnessRule, Policy, SafetyRule
from policies.errors import (
    ConflictError,
    StrengthError,
    UnknownConceptError,
    UnknownMemberError,
    UnknownSetError,
    WordError,
    choose_from,
)
from policies.safety_words import words_of


def check_policy(policy: Policy, concepts: Concepts) -> None:
    """Raise a PolicyError unless every image of this policy can be steered as it says.

    Every member that could be drawn must have a vector, whether or not the next image draws it, every strength must
    be within the limit either way, every concept that is to be in the negative prompt must have words for it, and the
    cells of the joint target must not be too many.
    """
    origin: dict[str, str] = {}

    def check_concept(concept: str, strength: float | None, *, field: str, source: str) -> None:
        if concept not in concepts.recommended:
            raise UnknownConceptError(
                f"There is no vector for the concept {concept!r} ({source}).",
                field=field,
                value=concept,
                cure=choose_from(concept, concepts.recommended),
            )
        if concept in origin:
            raise ConflictError(
                f"The concept {concept!r} is named by {origin[concept]} and by {source}.",
                field=field,
                value=concept,
                cure="Name it in one place: an image has one strength per concept.",
            )
        origin[concept] = source
        effective = concepts.strength(concept, strength)
        limit = concepts.max_strength
        if not 0 < abs(effective) <= limit:
            which = "recommended strength" if strength is None else "strength"
            raise StrengthError(
                f"The {which} {effective:g} of {concept!r} is out of range.",
                field=f"{field.rpartition('.')[0]}.strength",
                value=effective,
                cure=f"Give a strength other than 0 and between -{limit:g} and {limit:g}.",
            )

    for index, fairness in enumerate(policy.fairness):
        field = f"fairness.{index}"
        _check_set(fairness, concepts.sets, field=field)
        for member in drawable_members(fairness, concepts.sets):
            check_concept(member, fairness.strength, field=f"{field}.set", source=f"the set {fairness.set!r}")
    for index, safety in enumerate(policy.safety):
        check_concept(
            safety.concept, safety.strength, field=f"safety.{index}.concept", source="a safety rule"
        )
        _check_words(safety, concepts, field=f"safety.{index}.negative_prompt")
    joint_target(policy.fairness, concepts.sets)


def drawable_members(rule: FairnessRule, sets: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the members that the rule can draw, by its target or in one of its cases."""
    targets = [case.shares for case in rule.cases]
    if rule.target is None:
        return list(sets[rule.set])
    return [
        member
        for member in sets[rule.set]
        if any(target.get(member, 0) > 0 for target in (rule.target, *targets))
    ]


def _check_set(rule: FairnessRule, sets: Mapping[str, Sequence[str]], *, field: str) -> None:
    _check_known(rule.set, sets, field=f"{field}.set")
    for member in rule.target or ():
        _check_member(member, rule.set, sets, field=f"{field}.target")
    for index, case in enumerate(rule.cases):
        for member in case.shares:
            _check_member(member, rule.set, sets, field=f"{field}.cases.{index}.shares")
        for name, member in case.given.items():
            _check_known(name, sets, field=f"{field}.cases.{index}.given")
            _check_member(member, name, sets, field=f"{field}.cases.{index}.given")


def _check_known(name: str, sets: Mapping[str, Sequence[str]], *, field: str) -> None:
    if name not in sets:
        raise UnknownSetError(
            f"There is no concept set {name!r}.", field=field, value=name, cure=choose_from(name, sets)
        )


def _check_member(member: str, name: str, sets: Mapping[str, Sequence[str]], *, field: str) -> None:
    if member not in sets[name]:
        raise UnknownMemberError(
            f"{member!r} is not a member of the set {name!r}.",
            field=field,
            value=member,
            cure=choose_from(member, sets[name]),
        )


def _check_words(rule: SafetyRule, concepts: Concepts, *, field: str) -> None:
    if rule.insists_on_words and words_of(rule, concepts) is None:
        raise WordError(
            f"The vector of {rule.concept!r} was learned without words for what it prevents.",
            field=field,
            value=None,
            cure="Give them as the rule's negative_prompt, or leave 'by' out for the vector alone.",
        )
