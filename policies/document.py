"""The policy document, as it stands in a request or in the configuration.

Entry point: `Policy`. It checks what can be checked on the document alone; whether its sets and
concepts are loaded is `check.check_policy`.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from policies.errors import ConflictError, ProbabilityError, StrengthError

SHARES_TOLERANCE = 1e-3
"""How far shares may sum from 1, so that three times 0.333 is accepted."""


def _nonzero(strength: float) -> float:
    if strength == 0 or not math.isfinite(strength):
        raise StrengthError(
            f"The strength {strength:g} is not usable.",
            value=strength,
            cure="Give a number other than 0, or leave the strength out for the vector's recommended one.",
        )
    return strength


def _distribution(target: Mapping[str, float]) -> dict[str, float]:
    cure = "Make the shares sum to 1, or leave the target out for equal shares."
    for member, share in target.items():
        if not (math.isfinite(share) and share >= 0):
            raise ProbabilityError(
                f"The share {share:g} of {member!r} is no probability.", value=target, cure=cure
            )
    total = math.fsum(target.values())
    if abs(total - 1) > SHARES_TOLERANCE:
        raise ProbabilityError(f"The shares sum to {total:.6g}, not to 1.", value=target, cure=cure)
    return dict(target)


def _named_once(kind: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConflictError(f"The {kind} {name!r} is named twice.", value=name, cure="Name it once.")
        seen.add(name)


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Strength = Annotated[float, Field(strict=True), AfterValidator(_nonzero)]
Share = Annotated[float, Field(strict=True)]
Shares = Annotated[dict[Name, Share], AfterValidator(_distribution)]


class FairnessRule(BaseModel):
    """One member of a concept set for each image, drawn with the probabilities of `target`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    set: Name = Field(description="The concept set to draw from.", examples=["gender"])
    target: Shares | None = Field(
        default=None,
        description="Probability of each member; members left out are never drawn. Default: equal.",
        examples=[{"woman": 0.5, "man": 0.5}],
    )
    strength: Strength | None = Field(
        default=None, description="Strength of the drawn member. Default: its vector's recommended one."
    )


class SafetyRule(BaseModel):
    """A concept added to every image."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    concept: Name = Field(description="The concept to add.", examples=["anti-sexual"])
    strength: Strength | None = Field(
        default=None, description="Strength. Default: the vector's recommended one."
    )


def _sets_once(rules: tuple[FairnessRule, ...]) -> tuple[FairnessRule, ...]:
    _named_once("concept set", (rule.set for rule in rules))
    return rules


def _concepts_once(rules: tuple[SafetyRule, ...]) -> tuple[SafetyRule, ...]:
    _named_once("concept", (rule.concept for rule in rules))
    return rules


class Policy(BaseModel):
    """What shall hold for the images of a request; without rules, the plain model's images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fairness: Annotated[tuple[FairnessRule, ...], AfterValidator(_sets_once)] = ()
    safety: Annotated[tuple[SafetyRule, ...], AfterValidator(_concepts_once)] = ()
