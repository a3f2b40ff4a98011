"""From a policy, a prompt and the images' seeds to the steering of each image, with reasons.

Entry points: `plan`, `within_cap`.
"""

from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from functools import partial

from policies.asked_rules import Heard, hear
from policies.assignment import Assigned, Drawing, assign
from policies.cap import capped
from policies.concepts import Concepts
from policies.document import FairnessRule, Policy, SafetyRule
from policies.floor import held_concepts, under_floor
from policies.gate import Decision, Gate, LexiconGate, shipped_gate
from policies.groups import people_group
from policies.image_plan import Averted, ImagePlan, Steer
from policies.ledger import Ledger
from policies.memory_ledger import MemoryLedger, ledger_key
from policies.responsible_phrases import Phrases, shipped_phrases
from policies.safety_words import needs_guidance, why_no_words, words_of


def plan(
    policy: Policy,
    prompt: str,
    *,
    seeds: Sequence[int],
    concepts: Concepts,
    gate: Gate | None = None,
    phrases: Phrases | None = None,
    floor: Policy | None = None,
    ledger: Ledger | None = None,
    tenant: str = "",
    group_of: Callable[[str], str] | None = None,
    allowed: Set[str] | None = None,
    unread: str | None = None,
) -> list[ImagePlan]:
    """Return one ImagePlan per seed: the members for fairness, then the safety concepts, the floor's before others.

    The `gate`, by default the shipped one, decides from the prompt which fairness rules apply; those with
    "when: always" do anyway, and safety always does. What `phrases`, by default the shipped ones, find in the prompt
    is added where the policy wants it. What `floor` holds is added to the policy or refused to it. The `ledger`, by
    default an empty one, is asked where the assignment says so, and counts the images: by policy, `tenant` and the
    group of the prompt, by default its people. Without it a plan depends on its arguments alone. Phrases add only
    `allowed` concepts, by default all. `unread` says why no negative prompt is read, where none is: safety rules that
    leave their way open then act by their vectors alone.

    Raises what `under_floor` and `check_policy` raise, before anything is counted.
    """
    gate = shipped_gate() if gate is None else gate
    heard = hear(policy, prompt, shipped_phrases() if phrases is None else phrases, floor, concepts, allowed)
    in_force = under_floor(heard.policy, floor, concepts)
    decisions = _decided(in_force, prompt, heard, gate)
    applying = [rule for rule, decision in decisions if decision.applies]
    reasons = {rule.set: decision.reason for rule, decision in decisions}
    held_sets = [] if floor is None else [rule.set for rule in floor.fairness]

    group = people_group(heard.bare, gate) if group_of is None else group_of(heard.bare)
    shared = MemoryLedger() if ledger is None else ledger

    def drawing(document: Policy) -> Drawing:
        return Drawing(document.assignment, shared, partial(ledger_key, document.digest, tenant, group))

    # The floor's sets are counted under the floor's own name: no request starts that count anew by another policy.
    first = [rule for rule in applying if rule.set in held_sets]
    others = [rule for rule in applying if rule.set not in held_sets]
    held = assign(first, seeds, concepts.sets, drawing(policy if floor is None else floor))
    own = assign(others, seeds, concepts.sets, drawing(policy), [one.members for one in held])

    idle = {
        rule.concept for rule in in_force.safety if unread and needs_guidance(rule, concepts)
    } & heard.added
    safety = [rule for rule in in_force.safety if rule.concept not in idle]
    skipped = (
        *(decision for _, decision in decisions if not decision.applies),
        *heard.skipped,
        *(
            Decision(concept, False, f"its vector acts where a negative prompt is, and {unread}")
            for concept in sorted(idle)
        ),
    )
    plans = []
    for seed, *parts in zip(seeds, held, own, strict=True):
        drawn = [
            _drawn(rule, part, reasons[rule.set], concepts, heard)
            for rules, part in zip((first, others), parts, strict=True)
            for rule in rules
        ]
        image = ImagePlan(
            seed,
            heard.prompt,
            steering=(
                *(steer for steer in drawn if isinstance(steer, Steer)),
                *(_added(rule, concepts, heard, unread) for rule in safety if rule.adds_vector),
            ),
            averted=tuple(
                _averted(rule, words, heard)
                for rule in safety
                if (words := words_of(rule, concepts)) and (unread is None or rule.insists_on_words)
            ),
            skipped=(*skipped, *(decision for decision in drawn if isinstance(decision, Decision))),
            removed=heard.removed,
            counted=tuple(part.counted for part in parts if part.counted is not None),
            gate=tuple(decision for _, decision in decisions),
        )
        plans.append(within_cap(image, in_force, floor, concepts))
    return plans


def _decided(policy: Policy, prompt: str, heard: Heard, gate: Gate) -> list[tuple[FairnessRule, Decision]]:
    """Return every fairness rule with the decision about it.

    Responsible phrases are no statement about people ("a diverse group" would be one), so the gate reads the prompt
    without them, and with them where that leaves it nothing to say yes to: they add, and take nothing away.
    """
    asked = [rule.set for rule in policy.fairness if rule.when == "unspecified"]
    answers = {decision.concept_set: decision for decision in gate.decide(heard.bare, asked)} if asked else {}
    if heard.phrases:
        closed = [name for name, answer in answers.items() if not answer.applies]
        for as_given in gate.decide(prompt, closed):
            if as_given.applies:
                answers[as_given.concept_set] = as_given
        nobody = isinstance(gate, LexiconGate) and not gate.read(heard.bare).says_something
        for name, reason in heard.reasons.items():
            if name in answers and answers[name].applies:
                answers[name] = replace(answers[name], reason=f"{reason}; {answers[name].reason}")
            elif name in answers and nobody:
                # "A diverse group" is of people, though no word of it is for a person.
                answers[name] = Decision(name, True, reason, "phrase")
    return [
        (rule, answers.get(rule.set, Decision(rule.set, True, "for every prompt", "always")))
        for rule in policy.fairness
    ]


def _drawn(
    rule: FairnessRule, assigned: Assigned, why: str, concepts: Concepts, heard: Heard
) -> Steer | Decision:
    """Return the member that an image gets of a set, or that it gets none."""
    member, share = assigned.members[rule.set], assigned.shares[rule.set]
    if member is None:
        return Decision(
            rule.set, False, f"left as it is, {assigned.how}, with a share of {share:.3g} ({why})"
        )
    return Steer(
        concept=member,
        strength=concepts.strength(member, rule.strength),
        reason=f"fairness: one of {rule.set} with a share of {share:.3g}, {assigned.how} ({why})",
        concept_set=rule.set,
        by_phrase=rule.set in heard.added,
    )


def _added(rule: SafetyRule, concepts: Concepts, heard: Heard, unread: str | None) -> Steer:
    reason = _safety_reason("added to every image", rule, heard)
    alone = why_no_words(rule, concepts, unread)
    return Steer(
        concept=rule.concept,
        strength=concepts.strength(rule.concept, rule.strength),
        reason=reason if alone is None else f"{reason}; by the vector alone: {alone}",
        by_phrase=rule.concept in heard.added,
    )


def _averted(rule: SafetyRule, words: str, heard: Heard) -> Averted:
    return Averted(
        rule.concept,
        words,
        _safety_reason("in every negative prompt", rule, heard),
        by_phrase=rule.concept in heard.added,
    )


def _safety_reason(of_every_image: str, rule: SafetyRule, heard: Heard) -> str:
    phrases = heard.reasons.get(rule.concept)
    if rule.concept in heard.added:
        return f"safety: {phrases}"
    return f"safety: {of_every_image}" if phrases is None else f"safety: {of_every_image} ({phrases})"


def within_cap(image: ImagePlan, policy: Policy, floor: Policy | None, concepts: Concepts) -> ImagePlan:
    """Scale an image's strengths down where its vectors together are too large.

    What the floor holds is scaled by the floor's cap alone, and what only the prompt asks for before anything else.
    """
    own = {steer.concept: steer.strength for steer in image.steering if not steer.by_phrase}
    strengths = capped(
        own,
        concepts.products,
        limit=policy.max_norm,
        held=held_concepts(floor, concepts) & own.keys(),
        held_limit=None if floor is None else floor.max_norm,
    )
    if len(own) < len(image.steering):
        strengths = capped(
            image.strengths | strengths, concepts.products, limit=policy.max_norm, held=strengths.keys()
        )
    return replace(
        image,
        steering=tuple(
            _scaled(steer, strengths[steer.concept]) for steer in image.steering if strengths[steer.concept]
        ),
        skipped=(
            *image.skipped,
            *(
                Decision(steer.concept_set or steer.concept, False, _no_room(steer))
                for steer in image.steering
                if not strengths[steer.concept]
            ),
        ),
    )


def _no_room(steer: Steer) -> str:
    return f"no room for {steer.concept}: the {'policy' if steer.by_phrase else 'floor'} fills the cap"


def _scaled(steer: Steer, strength: float) -> Steer:
    if strength == steer.strength:
        return steer
    part = strength / steer.strength
    return replace(steer, strength=strength, reason=f"{steer.reason}, x {part:.3g} to stay within the cap")
