"""The concept vector: what is added to a frozen model's site, and what is known about it.

Entry points: `ConceptVector` with its algebra (+ - * / and `combine`), `resized` and `cosine`.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from numbers import Real
from operator import add
from typing import Literal, TypeAlias, get_args

import torch

from vectors.compatibility import check_combinable, check_comparable
from vectors.errors import InvalidVectorError
from vectors.names import CONCEPT_RULE, FINGERPRINT_RULE, is_concept_name, is_fingerprint

Halves: TypeAlias = Literal["conditional", "unconditional", "both"]
"""Which rows of a classifier-free-guidance pair get the vector."""

Setting: TypeAlias = "str | int | float | bool | list[Setting] | dict[str, Setting] | None"
"""A value that JSON can hold."""

_SITE = re.compile(r"\w+(\.\w+)*")


@dataclass(frozen=True)
class ConceptPrompts:
    """The prompts a vector was learned from; all empty where they are not known."""

    positive: tuple[str, ...] = ()
    """y+: the prompts whose images show the concept."""
    negative: tuple[str, ...] = ()
    """y-: the prompts without the concept, under which those images are explained."""
    negative_prompt: tuple[str, ...] = ()
    """The negative prompts under which the images of y+ were made (for anti-concepts)."""


@dataclass(frozen=True, eq=False)
class ConceptVector:
    """One concept as a map that is added to the output of a frozen model's site, or one for each row of a pair.

    `values` is [C, h, w]; any floating tensor is accepted and kept as an independent fp32 copy on the CPU. It is
    added to the rows that `halves` say, save where `unconditional_values` is the map of unconditional rows.
    Raises InvalidVectorError where a part is unsound. Vectors add, subtract, scale and negate; the result
    keeps the left side's concept and where it is applied, while prompts, training, effect and recommended
    strength start afresh, because nobody learned or measured the result. `dataclasses.replace` describes it.
    """

    concept: str
    values: torch.Tensor = field(repr=False)
    base_model: str
    """Fingerprint of the model the vector was learned on: "sha256:" and 64 hexadecimal digits."""
    site: str = "mid_block"
    """Dotted name of the module whose output is steered."""
    halves: Halves = "conditional"
    timesteps: tuple[int, int] = (0, 1000)
    """Half-open range of training timesteps at which the vector is applied."""
    recommended_strength: float = 1.0
    prompts: ConceptPrompts = ConceptPrompts()
    training: Mapping[str, Setting] = field(default_factory=dict)
    """The settings it was learned with."""
    effect: Mapping[str, float] = field(default_factory=dict)
    """What was measured at the recommended strength, such as {"success": 0.97}."""
    unconditional_values: torch.Tensor | None = field(default=None, repr=False)
    """[C, h, w]: the map of unconditional rows where they get one of their own; takes the halves "both"."""

    def __post_init__(self) -> None:
        _check_labels(self)
        object.__setattr__(self, "values", _own_values(self.concept, "values", self.values))
        object.__setattr__(self, "unconditional_values", _own_unconditional(self))
        object.__setattr__(self, "timesteps", _checked_range(self.concept, self.timesteps))
        object.__setattr__(self, "training", _own_json(self.concept, "training", self.training))
        object.__setattr__(self, "effect", _own_json(self.concept, "effect", self.effect))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, h, w): channels, and rows and columns of the site's output."""
        channels, height, width = self.values.shape
        return channels, height, width

    @property
    def maps(self) -> tuple[torch.Tensor, ...]:
        """What it holds, each [C, h, w]: `values`, and after them `unconditional_values` where there are some."""
        return (
            (self.values,) if self.unconditional_values is None else (self.values, self.unconditional_values)
        )

    @property
    def norm(self) -> float:
        """The L2 norm of all values, of both maps where there are two."""
        return float(torch.linalg.vector_norm(torch.stack(self.maps), dtype=torch.float64))

    @cached_property
    def digest(self) -> str:
        """ "sha256:<64 hex>" over what the vector does: its values, its name and where it is applied.

        Prompts, training, effect and the recommended strength describe it and do not enter.
        """
        identity: dict[str, object] = {
            "concept": self.concept,
            "base_model": self.base_model,
            "site": self.site,
            "halves": self.halves,
            "timesteps": self.timesteps,
            "shape": self.shape,
        }
        if len(self.maps) > 1:
            identity["maps"] = len(self.maps)
        content = hashlib.sha256(json.dumps(identity, sort_keys=True).encode())
        for values in self.maps:
            content.update(values.numpy().astype("<f4").tobytes())
        return f"sha256:{content.hexdigest()}"

    @property
    def needs_guidance(self) -> bool:
        """Whether it works in guided pictures alone: it has a map that goes on unconditional rows and on no other."""
        return self.halves == "unconditional" or self.unconditional_values is not None

    def on(self, *, conditional: bool) -> torch.Tensor | None:
        """The map [C, h, w] added to the conditional row of a guidance pair, or to the other; None where none is."""
        if self.halves not in ("both", "conditional" if conditional else "unconditional"):
            return None
        return self.maps[0] if conditional else self.maps[-1]

    def __add__(self, other: ConceptVector) -> ConceptVector:
        if not isinstance(other, ConceptVector):
            return NotImplemented
        check_combinable(self, other)
        return self._derived(torch.add, other)

    def __sub__(self, other: ConceptVector) -> ConceptVector:
        if not isinstance(other, ConceptVector):
            return NotImplemented
        check_combinable(self, other)
        return self._derived(torch.sub, other)

    def __mul__(self, factor: float) -> ConceptVector:
        if not isinstance(factor, Real):
            return NotImplemented
        return self._derived(lambda values: values * float(factor))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> ConceptVector:
        if not isinstance(divisor, Real):
            return NotImplemented
        return self._derived(lambda values: values / float(divisor))

    def __neg__(self) -> ConceptVector:
        return self._derived(torch.neg)

    def cosine(self, other: ConceptVector) -> float:
        """The cosine of the angle between two vectors of one model, site, shape and number of maps, in -1..1.

        Of vectors of two maps, over the values of both.

        Raises VectorMismatchError for vectors of different spaces, InvalidVectorError for a zero vector.
        """
        check_comparable(self, other)
        for vector in (self, other):
            if vector.norm == 0:
                raise InvalidVectorError(
                    f"The vector {vector.concept!r} is all zeros: it has no direction and so no cosine."
                )
        # Normalised before the product, so that tiny vectors do not underflow.
        left, right = (torch.stack(v.maps).double().flatten() / v.norm for v in (self, other))
        return max(-1.0, min(1.0, float(left @ right)))

    def resized(self, height: int, width: int) -> ConceptVector:
        """The same vector on a site of height x width; itself where that is its size.

        Bilinear, averaging where it shrinks; the magnitude per element is kept, since it is what the model
        adds at each place. The measured effect does not carry over.
        """
        if height < 1 or width < 1:
            raise InvalidVectorError(
                f"The vector {self.concept!r} cannot be resized to {height} x {width}: use 1 or more."
            )
        if (height, width) == self.shape[1:]:
            return self
        values, *unconditional = torch.nn.functional.interpolate(
            torch.stack(self.maps),
            size=(height, width),
            mode="bilinear",
            align_corners=False,
            antialias=True,
        )
        return replace(self, values=values, unconditional_values=next(iter(unconditional), None), effect={})

    def _derived(self, change: Callable[..., torch.Tensor], *others: ConceptVector) -> ConceptVector:
        """Change each map, with those of vectors that were seen to be combinable."""
        values, *unconditional = map(change, self.maps, *(other.maps for other in others))
        return ConceptVector(
            concept=self.concept,
            values=values,
            unconditional_values=next(iter(unconditional), None),
            base_model=self.base_model,
            site=self.site,
            halves=self.halves,
            timesteps=self.timesteps,
        )


def combine(terms: Sequence[tuple[ConceptVector, float]], concept: str) -> ConceptVector:
    """The sum of weighted vectors under a new name; its `training` records the terms and their digests.

    A weight multiplies a term's values as they are: the terms' recommended strengths are not applied.
    Raises VectorMismatchError where terms do not belong together, InvalidVectorError where there are none.
    """
    if not terms:
        raise InvalidVectorError(f"The combination {concept!r} has no terms: name at least one vector.")
    total = reduce(add, (vector * weight for vector, weight in terms))
    parts: list[Setting] = [
        {"concept": vector.concept, "digest": vector.digest, "weight": float(weight)}
        for vector, weight in terms
    ]
    return replace(total, concept=concept, training={"combination": parts})


def _check_labels(vector: ConceptVector) -> None:
    if not is_concept_name(vector.concept):
        raise InvalidVectorError(f"{vector.concept!r} cannot name a concept: use {CONCEPT_RULE}.")
    if not is_fingerprint(vector.base_model):
        raise InvalidVectorError(
            f"The base model {vector.base_model!r} of {vector.concept!r} is not a fingerprint: it takes "
            f"{FINGERPRINT_RULE}."
        )
    if not _SITE.fullmatch(vector.site):
        raise InvalidVectorError(
            f"The site {vector.site!r} of {vector.concept!r} must be a dotted module name, like 'mid_block'."
        )
    if vector.halves not in get_args(Halves):
        raise InvalidVectorError(
            f"The halves {vector.halves!r} of {vector.concept!r} must be 'conditional', 'unconditional' or 'both'."
        )
    if not math.isfinite(vector.recommended_strength):
        raise InvalidVectorError(
            f"The recommended strength {vector.recommended_strength} of {vector.concept!r} must be finite."
        )


def _own_unconditional(vector: ConceptVector) -> torch.Tensor | None:
    values = vector.unconditional_values
    if values is None:
        return None
    if vector.halves != "both":
        raise InvalidVectorError(
            f"{vector.concept!r} has unconditional values and the halves {vector.halves!r}: set the halves to 'both', "
            "or leave the unconditional values out."
        )
    own = _own_values(vector.concept, "unconditional values", values)
    if own.shape != vector.values.shape:
        raise InvalidVectorError(
            f"The unconditional values of {vector.concept!r} have the shape {tuple(own.shape)} and its values "
            f"{vector.shape}: give both one shape."
        )
    return own


def _own_values(concept: str, name: str, values: torch.Tensor) -> torch.Tensor:
    if values.ndim != 3 or 0 in values.shape:
        raise InvalidVectorError(
            f"The {name} of {concept!r} have the shape {tuple(values.shape)}: it must be [C, h, w], none 0."
        )
    if not values.is_floating_point():
        raise InvalidVectorError(
            f"The {name} of {concept!r} are {values.dtype}: they must be floating point."
        )
    # A copy, so that a training step or an in-place edit elsewhere does not change a finished vector.
    own = values.detach().to("cpu", torch.float32, copy=True).contiguous()
    bad = own.numel() - int(torch.isfinite(own).sum())
    if bad:
        raise InvalidVectorError(
            f"{bad} of the {own.numel()} {name} of {concept!r} are not finite in fp32 (NaN or too large): "
            "learn it again with a lower rate, or scale it by less."
        )
    return own


def _checked_range(concept: str, timesteps: Sequence[int]) -> tuple[int, int]:
    if len(timesteps) != 2 or not 0 <= timesteps[0] < timesteps[1]:
        raise InvalidVectorError(
            f"The timesteps {tuple(timesteps)} of {concept!r} must be a start and a later end, both from 0."
        )
    return timesteps[0], timesteps[1]


def _own_json(concept: str, name: str, values: Mapping[str, Setting]) -> Mapping[str, Setting]:
    try:
        own: Mapping[str, Setting] = json.loads(json.dumps(dict(values), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InvalidVectorError(f"The {name} of {concept!r} cannot be written as JSON: {error}.") from error
    return own
