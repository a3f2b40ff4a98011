"""How often a gate decides as people do: precision and recall on labelled prompts.

Entry points: `read_labelled`, `score`. A labelled file is YAML; benchmarks/gate has three.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from policies.gate import Gate
from policies.labelled import LabelledFile, PromptGroup, read_labelled_file
from policies.score import Score

CONCEPT_SETS = ("gender", "race")
"""The sets that prompts are labelled for."""


class LabelledGroup(PromptGroup):
    """Prompts of one kind, and to which sets fairness applies."""

    gender: bool
    race: bool

    @property
    def applies(self) -> Mapping[str, bool]:
        """Concept set -> whether fairness applies."""
        return {"gender": self.gender, "race": self.race}


class LabelledSet(LabelledFile[LabelledGroup]):
    """A file of prompts that are labelled for the gate."""


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
    return read_labelled_file(path, LabelledSet, "benchmarks/gate/development.yaml")


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
        sets={name: Score.counted(counts, name) for name in CONCEPT_SETS},
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
