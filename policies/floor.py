"""The floor: a policy that holds for every request, whatever the request's own policy says.

Entry points: `under_floor`, `check_floor`, `held_concepts`. What a request adds to the floor is kept, what is weaker
than the floor is brought up to it, and what would replace or outweigh it is refused.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar, get_args

from policies.check import check_policy, drawable_members
from policies.concepts import Concepts
from policies.document import FairnessRule, PhraseMode, Policy, SafetyRule, SamplingRule, Way
from policies.errors import FloorError, FloorUnmetError, PolicyError
from policies.safety_words import words_of
from policies.screen_rule import ScreenRule

N = TypeVar("N", int, float)

FLOOR_GUIDANCE = 2.0
"""The least guidance under a floor that does not say another: with hardly any, its vectors are not amplified."""

MOST_UNDONE = 0.25
"""The share of a floor's vector that the other vectors of a policy may take away: none are quite at right angles."""


def check_floor(floor: Policy, concepts: Concepts) -> None:
    """Raise FloorUnmetError unless every image can be held to the floor with what is loaded."""
    try:
        check_policy(floor, concepts)
    except PolicyError as error:
        raise FloorUnmetError(
            f"The floor cannot be followed: {error.problem}",
            field=error.field,
            value=error.value,
            cure=error.cure,
        ) from error
    if floor.fairness and floor.assignment != "ledger":
        raise FloorUnmetError(
            f"The floor's fairness is {floor.assignment}: a caller could look for a seed with the member it wants.",
            field="assignment",
            value=floor.assignment,
            cure="Write 'assignment: ledger' into the floor.",
        )


def under_floor(policy: Policy, floor: Policy | None, concepts: Concepts) -> Policy:
    """Return the policy that holds for a request: its own, with all that the floor holds.

    The floor's rules come first. Raises FloorUnmetError for a floor that cannot be followed, and FloorError for a rule
    that draws from a set of the floor's in another way, turns a concept of the floor's round, adds vectors that
    together undo more of one of the floor's than MOST_UNDONE, or adds one of another site turned round or at more than
    its recommended strength.
    """
    if floor is None:
        return policy
    check_floor(floor, concepts)
    fairness = _fairness(policy, floor)
    safety = _safety(policy, floor, concepts)
    merged = policy.model_copy(
        update={
            "fairness": fairness,
            "safety": safety,
            "max_norm": _smaller(policy.max_norm, floor.max_norm),
            "sampling": _stricter_sampling(policy.sampling, floor.sampling),
            "phrases": max(policy.phrases, floor.phrases, key=get_args(PhraseMode).index),
            "screen": _stricter_screen(policy.screen, floor.screen),
        }
    )
    # What cannot be followed for reasons of its own is told as such, before it is held against the floor.
    check_policy(merged, concepts)
    _refuse_opposed(policy, floor, concepts)
    return merged


def held_concepts(floor: Policy | None, concepts: Concepts) -> frozenset[str]:
    """Return the concepts whose vectors the floor adds, or may draw."""
    if floor is None:
        return frozenset()
    drawn = (member for rule in floor.fairness for member in drawable_members(rule, concepts.sets))
    return frozenset((*drawn, *(rule.concept for rule in floor.safety if rule.adds_vector)))


def _fairness(policy: Policy, floor: Policy) -> tuple[FairnessRule, ...]:
    """Return the floor's rules, then those of the policy about other sets."""
    held = {rule.set: rule for rule in floor.fairness}
    for index, rule in enumerate(policy.fairness):
        if rule.set in held and rule != held[rule.set]:
            raise FloorError(
                f"The floor holds how members of {rule.set!r} are drawn, and the policy would draw them otherwise.",
                field=f"fairness.{index}",
                value=rule.model_dump(mode="json", exclude_defaults=True),
                cure="Leave the rule out.",
            )
    return (*floor.fairness, *(rule for rule in policy.fairness if rule.set not in held))


def _safety(policy: Policy, floor: Policy, concepts: Concepts) -> tuple[SafetyRule, ...]:
    """Return the floor's rules, made stronger where the policy asks for it, then those about other concepts."""
    own = {rule.concept: (index, rule) for index, rule in enumerate(policy.safety)}
    held = {rule.concept for rule in floor.safety}
    return (
        *(
            _stronger(rule, *own[rule.concept], concepts) if rule.concept in own else rule
            for rule in floor.safety
        ),
        *(rule for rule in policy.safety if rule.concept not in held),
    )


def _stronger(held: SafetyRule, index: int, own: SafetyRule, concepts: Concepts) -> SafetyRule:
    floor_strength = concepts.strength(held.concept, held.strength)
    own_strength = concepts.strength(own.concept, own.strength)
    if own_strength * floor_strength < 0:
        raise FloorError(
            f"The floor gives {held.concept!r} the strength {floor_strength:g}, and the policy would turn it round.",
            field=f"safety.{index}.strength",
            value=own_strength,
            cure="Leave the rule out, or give a strength of the same sign.",
        )
    held_words, own_words = words_of(held, concepts), words_of(own, concepts)
    if None not in (held_words, own_words) and own.negative_prompt not in (None, held_words):
        raise FloorError(
            f"The floor holds the words for what {held.concept!r} prevents, and the policy gives others.",
            field=f"safety.{index}.negative_prompt",
            value=own.negative_prompt,
            cure="Leave them out, or put them into the request's negative_prompt.",
        )
    words = None if own_words is None else own.negative_prompt
    if words is None and held_words is not None:
        words = held.negative_prompt
    by_vector = held.adds_vector or own.adds_vector
    strengths = [
        strength
        for rule, strength in ((held, floor_strength), (own, own_strength))
        if rule.adds_vector or not by_vector
    ]
    return SafetyRule(
        concept=held.concept,
        strength=max(strengths, key=abs),
        by=_united_ways(held, own),
        negative_prompt=words,
    )


def _united_ways(held: SafetyRule, own: SafetyRule) -> Way | None:
    """Return the way that does what both do: what is left open stays open, unless one insists on words."""
    if held.insists_on_words or own.insists_on_words:
        return "both" if held.adds_vector or own.adds_vector else "negative_prompt"
    return None if None in (held.by, own.by) else "vector"


def _refuse_opposed(policy: Policy, floor: Policy, concepts: Concepts) -> None:
    """Raise FloorError where the vectors that a policy adds undo too much of one of the floor's."""
    held = {concept: strength for _, concept, strength in _directions(floor, concepts)}
    undone = dict.fromkeys(held, 0.0)
    for field, concept, strength in _directions(policy, concepts, added_only=True):
        if concept in held:
            continue
        for held_concept, held_strength in held.items():
            if held_strength == 0:
                continue
            if (concept, held_concept) not in concepts.products:
                _refuse_unmeasured(concept, strength, held_concept, field, concepts)
                continue
            along = concepts.along(concept, held_concept, strength / held_strength)
            undone[held_concept] += max(0.0, -along)
            if along < 0 and undone[held_concept] > MOST_UNDONE:
                raise FloorError(
                    f"{concept!r} with the strength {strength:g} points against {held_concept!r} of the floor.",
                    field=field,
                    value=concept,
                    cure="Leave it out, or turn its strength round; whoever sets the floor may add it.",
                )


def _refuse_unmeasured(
    concept: str, strength: float, held_concept: str, field: str, concepts: Concepts
) -> None:
    """Raise FloorError where a vector of another site than a held one does something else than it was published for.

    Added elsewhere it takes nothing away from the held one itself; what it does beyond its recommended strength, or
    turned round, nothing says.
    """
    recommended = concepts.recommended[concept]
    if strength * recommended < 0 or abs(strength) > abs(recommended):
        raise FloorError(
            f"{concept!r} cannot be compared with {held_concept!r}, which the floor holds: their vectors are of "
            f"different sites or shapes. It is only known what it does at its recommended strength, {recommended:g}.",
            field=field,
            value=strength,
            cure=f"Leave it out, or give a strength from 0 to {recommended:g}; whoever sets the floor may add it.",
        )


def _directions(
    policy: Policy, concepts: Concepts, *, added_only: bool = False
) -> Iterator[tuple[str, str, float]]:
    """Yield the field, concept and strength of everything that a policy may add to an image.

    Or stands for: a concept that is only in the negative prompt can be undone by a vector all the same.
    """
    for index, rule in enumerate(policy.fairness):
        for member in drawable_members(rule, concepts.sets):
            yield f"fairness.{index}.set", member, concepts.strength(member, rule.strength)
    for index, safety in enumerate(policy.safety):
        if safety.adds_vector or not added_only:
            yield (
                f"safety.{index}.concept",
                safety.concept,
                concepts.strength(safety.concept, safety.strength),
            )


def _stricter_sampling(own: SamplingRule, held: SamplingRule) -> SamplingRule:
    schedulers = held.schedulers
    if own.schedulers is not None:
        allowed = own.schedulers if schedulers is None else tuple(set(own.schedulers) & set(schedulers))
        if not allowed:
            raise FloorError(
                f"The floor allows no scheduler of the policy's: it allows {', '.join(schedulers or ())}.",
                field="sampling.schedulers",
                value=list(own.schedulers),
                cure="Leave them out, or name one of the floor's.",
            )
        schedulers = tuple(sorted(allowed))
    return SamplingRule(
        min_guidance_scale=_larger(
            own.min_guidance_scale,
            FLOOR_GUIDANCE if held.min_guidance_scale is None else held.min_guidance_scale,
        ),
        min_steps=_larger(own.min_steps, held.min_steps),
        schedulers=schedulers,
    )


def _stricter_screen(own: ScreenRule | None, held: ScreenRule | None) -> ScreenRule | None:
    """Return a rule that looks for what both look for; a finding is only flagged where both flag it."""
    if own is None or held is None:
        return own or held
    stricter = own if held.on_finding == "flag" else held
    if own.categories is None or held.categories is None:
        return stricter.model_copy(update={"categories": None})
    return stricter.model_copy(update={"categories": _united(held.categories, own.categories)})


def _united(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))


def _smaller(one: float | None, other: float | None) -> float | None:
    return min((value for value in (one, other) if value is not None), default=None)


def _larger(one: N | None, other: N | None) -> N | None:
    return max((value for value in (one, other) if value is not None), default=None)
