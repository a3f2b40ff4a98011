"""What the responsible phrases of a prompt add to a policy: rules of their own, on top of all that the policy says.

Entry points: `hear`, which returns what was `Heard`.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from policies.allowed import check_allowed
from policies.check import check_policy
from policies.concepts import Concepts
from policies.document import FairnessRule, Policy, SafetyRule
from policies.errors import PolicyError
from policies.floor import under_floor
from policies.gate import Decision
from policies.responsible_phrases import PhraseReading, Phrases, ResponsiblePhrase, read_phrases


@dataclass(frozen=True)
class Heard:
    """A policy with what a prompt asks for."""

    policy: Policy
    """The policy with the rules that phrases add; without the floor's."""
    prompt: str
    """What the model reads."""
    bare: str
    """The prompt without its phrases: what tells about its people."""
    phrases: tuple[ResponsiblePhrase, ...] = ()
    removed: tuple[str, ...] = ()
    """The phrases that the model does not read."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Concept set or concept -> the phrases that ask for it, where it is followed."""
    added: frozenset[str] = frozenset()
    """Those that the policy had no rule about."""
    skipped: tuple[Decision, ...] = ()
    """What was asked for and cannot be followed."""


def hear(
    policy: Policy,
    prompt: str,
    phrases: Phrases,
    floor: Policy | None,
    concepts: Concepts,
    allowed: Set[str] | None = None,
) -> Heard:
    """Return a policy with the rules that a prompt's phrases ask for, as the policy or its floor says.

    What the policy or the floor has a rule about is asked for by it already: the rule stands as it is. What would
    contradict another rule, has no vector or is not among the `allowed` concepts (None: all) is left out: no prompt
    makes a policy fail. Raises what `under_floor` and `check_policy` raise about the policy itself.
    """
    in_force = under_floor(policy, floor, concepts)
    check_policy(in_force, concepts)
    if in_force.phrases == "off":
        return Heard(policy, prompt, prompt)
    reading = read_phrases(prompt, phrases)
    reasons = _reasons(reading)
    known = {*(rule.set for rule in in_force.fairness), *(rule.concept for rule in in_force.safety)}
    heard, added, skipped = policy, set(), []
    for name, reason in reasons.items():
        if name in known:
            continue
        alone = _with_rule(Policy(), name, of_set=name in reading.sets)
        candidate = _with_rule(heard, name, of_set=name in reading.sets)
        try:
            check_allowed(alone, allowed, concepts.sets)
            check_policy(under_floor(candidate, floor, concepts), concepts)
        except PolicyError as error:
            skipped.append(Decision(name, False, f"{reason}, which cannot be followed: {error.problem}"))
        else:
            heard = candidate
            added.add(name)
    left_out = {decision.concept_set for decision in skipped}
    # What cannot be followed stays in the text, and where nothing but phrases stands there is nothing else to draw.
    removes = in_force.phrases == "steer-and-remove" and not left_out and reading.prompt.strip()
    return Heard(
        policy=heard,
        prompt=reading.prompt if removes else prompt,
        bare=reading.prompt if reading.prompt.strip() else prompt,
        phrases=reading.phrases,
        removed=tuple(phrase.text for phrase in reading.phrases) if removes else (),
        reasons={name: reason for name, reason in reasons.items() if name not in left_out},
        added=frozenset(added),
        skipped=tuple(skipped),
    )


def _with_rule(policy: Policy, name: str, *, of_set: bool) -> Policy:
    """Return the policy with a rule of the usual kind about a concept set or a safety concept."""
    if of_set:
        return policy.model_copy(update={"fairness": (*policy.fairness, FairnessRule(set=name))})
    return policy.model_copy(update={"safety": (*policy.safety, SafetyRule(concept=name))})


def _reasons(reading: PhraseReading) -> dict[str, str]:
    """Return of everything that is asked for the phrases that do, in words."""
    return {
        name: " and ".join(
            dict.fromkeys(
                phrase.reason for phrase in reading.phrases if name in (ask.name for ask in phrase.asks)
            )
        )
        for name in (*reading.sets, *reading.concepts)
    }
