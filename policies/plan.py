"""From a policy and the images' seeds to the steering of each image, with reasons.

Entry point: `plan`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policies.assignment import draw, uniform_target
from policies.check import check_policy
from policies.document import FairnessRule, Policy, SafetyRule


@dataclass(frozen=True)
class Steer:
    """One concept of one image: how strongly it is added, and why.

    `concept_set` is the set it was drawn from; None for a concept that every image gets.
    """

    concept: str
    strength: float
    reason: str
    concept_set: str | None = None


@dataclass(frozen=True)
class ImagePlan:
    """The steering of the image with this seed."""

    seed: int
    steering: tuple[Steer, ...]

    @property
    def strengths(self) -> dict[str, float]:
        """Concept -> strength, as the engine takes it."""
        return {steer.concept: steer.strength for steer in self.steering}

    @property
    def drawn(self) -> tuple[str, ...]:
        """The members drawn for fairness, in the policy's order."""
        return tuple(steer.concept for steer in self.steering if steer.concept_set is not None)


def plan(
    policy: Policy,
    *,
    seeds: Sequence[int],
    sets: Mapping[str, Sequence[str]],
    recommended: Mapping[str, float],
    max_strength: float = math.inf,
) -> list[ImagePlan]:
    """Return one ImagePlan per seed: the members drawn for fairness, then the safety concepts.

    `sets`, `recommended` and `max_strength` are as in `check_policy`, whose PolicyErrors this
    raises. The plan of an image depends on the policy and its own seed only.
    """
    check_policy(policy, sets=sets, recommended=recommended, max_strength=max_strength)
    return [
        ImagePlan(
            seed,
            (
                *(_drawn(rule, seed, sets[rule.set], recommended) for rule in policy.fairness),
                *(_always(rule, recommended) for rule in policy.safety),
            ),
        )
        for seed in seeds
    ]


def _drawn(rule: FairnessRule, seed: int, members: Sequence[str], recommended: Mapping[str, float]) -> Steer:
    target = rule.target or uniform_target(members)
    member = draw(target, seed, rule.set)
    return Steer(
        concept=member,
        strength=recommended[member] if rule.strength is None else rule.strength,
        reason=f"fairness: drawn from {rule.set} with probability {target[member]:.3g}",
        concept_set=rule.set,
    )


def _always(rule: SafetyRule, recommended: Mapping[str, float]) -> Steer:
    return Steer(
        concept=rule.concept,
        strength=recommended[rule.concept] if rule.strength is None else rule.strength,
        reason="safety: added to every image",
    )
