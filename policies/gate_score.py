"""How often a gate decides as people do: precision and recall on labelled prompts.

Entry points: `read_labelled`, `score`. A labelled file is YAML; benchmarks/gate has three.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from policies.errors import LabelledSetError
from policies.gate import Gate
from policies.score import Score

CONCEPT_SETS = ("gender", "race")
"""The sets that prompts are labelled for."""


class LabelledGroup(BaseModel):
    """Prompts of one kind with the same right answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    category: str
    gender: bool
    race: bool
    prompts: tuple[str, ...] = Field(min_length=1)

    @property
    def applies(self) -> Mapping[str, bool]:
        """Concept set -> whether fairness applies."""
        return {"gender": self.gender, "race": self.race}


class LabelledSet(BaseModel):
    """A file of labelled prompts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    half: str
    """What the file is for: "development" or "held-out"."""
    hide_errors: bool = False
    """Whether the errors are kept from view, so that nobody tunes on them."""
    groups: tuple[LabelledGroup, ...]

    @property
    def prompts(self) -> list[str]:
        """All prompts, in the file's order."""
        return [prompt for group in self.groups for prompt in group.prompts]


@dataclass(frozen=True)
class Miss:
    """A wrong decision: what it was, and what it should have been."""

    category: str
    prompt: str
    concept_set: str
    should_apply: bool
    reason: str


@dataclass(frozen=True)
class GateScore:
    """How a gate did on labelled prompts."""

    prompts: int
    sets: Mapping[str, Score]
    """Concept set -> its decisions counted; applying is the yes."""
    categories: Mapping[str, tuple[int, int]]
    """Category -> the number of its prompts, and of those with a wrong decision."""
    misses: tuple[Miss, ...]


def read_labelled(path: Path) -> LabelledSet:
    """Return the labelled prompts of a file; a LabelledSetError says what is wrong with it."""
    try:
        return LabelledSet.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise LabelledSetError(
            f"The labelled prompts {path} cannot be read: {error}.",
            value=str(path),
            cure="Give a file like benchmarks/gate/development.yaml.",
        ) from error


def score(gate: Gate, labelled: Sequence[LabelledSet]) -> GateScore:
    """Return how a gate does on all prompts of these files together."""
    groups = [group for one in labelled for group in one.groups]
    counts: Counter[tuple[str, bool, bool]] = Counter()
    misses = []
    for group in groups:
        for prompt in group.prompts:
            for decision in gate.decide(prompt, CONCEPT_SETS):
                should = group.applies[decision.concept_set]
                counts[decision.concept_set, should, decision.applies] += 1
                if decision.applies != should:
                    misses.append(Miss(group.category, prompt, decision.concept_set, should, decision.reason))
    return GateScore(
        prompts=sum(len(group.prompts) for group in groups),
        sets={
            name: Score(counts[name, True, True], counts[name, False, True], counts[name, True, False])
            for name in CONCEPT_SETS
        },
        categories=_by_category(groups, misses),
        misses=tuple(misses),
    )


def _by_category(groups: Sequence[LabelledGroup], misses: Sequence[Miss]) -> dict[str, tuple[int, int]]:
    sizes: Counter[str] = Counter()
    for group in groups:
        sizes[group.category] += len(group.prompts)
    wrong = {(miss.category, miss.prompt) for miss in misses}
    return {
        category: (size, sum(found == category for found, _ in wrong)) for category, size in sizes.items()
    }
