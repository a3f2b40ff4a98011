"""The policy document, as it stands in a request, in a file or in the configuration.

Entry point: `Policy`. It checks what can be checked on the document alone; whether its sets and
concepts are loaded is `check.check_policy`.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from policies.errors import ConflictError, ProbabilityError, StrengthError, WordError
from policies.screen_rule import ScreenRule

SHARES_TOLERANCE = 1e-3
"""How far shares may sum from 1, so that three times 0.333 is accepted."""

Assignment = Literal["independent", "balanced", "ledger"]

Way = Literal["vector", "negative_prompt", "both"]
"""By what a safety rule acts."""

PhraseMode = Literal["off", "steer", "steer-and-remove"]
"""What is done about responsible phrases of a prompt, from the least to the most."""


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


def _share_below_one(share: float) -> float:
    if not 0 <= share < 1:
        raise ProbabilityError(
            f"The share {share:g} of images to leave as they are is not from 0 to below 1.",
            value=share,
            cure="Give a share such as 0.2; a rule that leaves all images alone is left out instead.",
        )
    return share


def _words(words: str) -> str:
    if not words.strip():
        raise WordError(
            "The negative prompt is empty.",
            value=words,
            cure="Name what the images should not show, or leave it out for the vector's own word.",
        )
    return words


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
Words = Annotated[str, Field(strict=True, max_length=200), AfterValidator(_words)]


class _Part(BaseModel):
    """Frozen, and unknown keys are refused: a misspelt rule must not be ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Case(_Part):
    """Other shares for the images that got these members of other sets."""

    given: dict[Name, Name] = Field(
        min_length=1,
        description="Concept set -> member, of sets that rules above this one draw from.",
        examples=[{"gender": "woman"}],
    )
    shares: Shares = Field(
        description="Share of each member in these images; members left out are never drawn."
    )


class FairnessRule(_Part):
    """One member of a concept set for each image, so that the shares of `target` are met."""

    set: Name = Field(description="The concept set to draw from.", examples=["gender"])
    target: Shares | None = Field(
        default=None,
        description="Share of each member; members left out are never drawn. Default: equal.",
        examples=[{"woman": 0.5, "man": 0.5}],
    )
    cases: tuple[Case, ...] = Field(
        default=(),
        description="Other shares for images that got certain members of sets above: the first case that fits holds.",
    )
    leave: Annotated[Share, AfterValidator(_share_below_one)] = Field(
        default=0.0, description="Share of images to leave as they are; the other shares are of the rest."
    )
    strength: Strength | None = Field(
        default=None, description="Strength of the drawn member. Default: its vector's recommended one."
    )
    when: Literal["always", "unspecified"] = Field(
        default="unspecified",
        description="unspecified: for prompts about people that leave it open, as the gate reads them; or always.",
    )


class SafetyRule(_Part):
    """A concept for every image."""

    concept: Name = Field(description="The concept to add.", examples=["anti-sexual"])
    strength: Strength | None = Field(
        default=None, description="Strength. Default: the vector's recommended one."
    )
    by: Way | None = Field(
        default=None,
        description=(
            "Add its vector, join words for what it prevents to the negative prompt, or both. Default: both, which "
            "measures best; the vector alone where words cannot act, as without guidance or without any words."
        ),
    )
    negative_prompt: Words | None = Field(
        default=None,
        description="The words for what it prevents. Default: those that its vector was learned with.",
        examples=["sexual"],
    )

    @property
    def adds_vector(self) -> bool:
        """Whether its vector is added."""
        return self.by != "negative_prompt"

    @property
    def insists_on_words(self) -> bool:
        """Whether words for what it prevents must be in the negative prompt, or the rule is not followed."""
        return self.by in ("negative_prompt", "both")


class SamplingRule(_Part):
    """How images may be sampled: what the policy adds is measured at usual settings, and weaker at others."""

    min_guidance_scale: Annotated[float, Field(strict=True, ge=0, le=50)] | None = Field(
        default=None,
        description="Guidance amplifies vectors, and negative prompts are nothing without it.",
    )
    min_steps: Annotated[int, Field(strict=True, ge=1)] | None = Field(
        default=None, description="Least inference steps."
    )
    schedulers: Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        default=None, description="The schedulers that may be used. Default: all."
    )


def _ordered(rules: tuple[FairnessRule, ...]) -> tuple[FairnessRule, ...]:
    _named_once("concept set", (rule.set for rule in rules))
    above: list[str] = []
    for rule in rules:
        for case in rule.cases:
            for name in case.given:
                if name not in above:
                    raise ConflictError(
                        f"A case of {rule.set!r} depends on {name!r}, which no rule above it draws from.",
                        value=name,
                        cure=f"Put the rule of {name!r} above, or leave the case out.",
                    )
        above.append(rule.set)
    return rules


def _concepts_once(rules: tuple[SafetyRule, ...]) -> tuple[SafetyRule, ...]:
    _named_once("concept", (rule.concept for rule in rules))
    return rules


class Policy(_Part):
    """What shall hold for the images of a request; without rules, the plain model's images."""

    name: Name | None = Field(default=None, description="What requests call it by.", examples=["default"])
    version: Annotated[int, Field(strict=True, ge=1)] | None = Field(
        default=None, description="Counts the changes to it."
    )
    description: str = Field(default="", max_length=2000, description="What it is for, in a sentence or two.")
    fairness: Annotated[tuple[FairnessRule, ...], AfterValidator(_ordered)] = ()
    assignment: Assignment = Field(
        default="balanced",
        description=(
            "How images get their members. independent: each is drawn by its own seed. balanced: the counts of a "
            "request are as even as the target allows. ledger: those of all requests for the same people are."
        ),
    )
    safety: Annotated[tuple[SafetyRule, ...], AfterValidator(_concepts_once)] = ()
    max_norm: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)] | None = Field(
        default=None,
        description="Largest norm of an image's vectors together, in norms of the steered activation. Default: no cap.",
    )
    sampling: SamplingRule = SamplingRule()
    phrases: PhraseMode = Field(
        default="off",
        description=(
            "steer: responsible phrases of the prompt, such as 'of any race' or 'no blood', add what they ask for to "
            "the rules here. steer-and-remove: and the model reads the prompt without them."
        ),
    )
    screen: ScreenRule | None = Field(
        default=None,
        description="What follows from unsafe content in finished pictures. Default: nobody looks.",
    )

    @model_validator(mode="after")
    def _versioned_by_name(self) -> Self:
        if self.version is not None and self.name is None:
            raise ConflictError(
                "The policy has a version and no name.", value=self.version, cure="Give it a name."
            )
        return self

    @property
    def digest(self) -> str:
        """ "sha256:<64 hex>" over all of the document as canonical JSON: sorted keys, defaults written out."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
