"""How often phrases are read as people read them: precision and recall on labelled prompts.

Entry points: `read_labelled_phrases`, `score_phrases`. benchmarks/responsible_text has two labelled files.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from policies.labelled import LabelledFile, PromptGroup, read_labelled_file
from policies.responsible_phrases import Phrases, read_phrases
from policies.score import Score


class LabelledPhrases(PromptGroup):
    """Prompts of one kind that ask for the same."""

    asks: tuple[str, ...]
    """Concept sets and safety concepts."""


class LabelledPhraseSet(LabelledFile[LabelledPhrases]):
    """A file of prompts that are labelled with what they ask for."""


@dataclass(frozen=True)
class PhraseMiss:
    """A prompt that was read otherwise than it should be."""

    category: str
    prompt: str
    should_ask: tuple[str, ...]
    asks: tuple[str, ...]


@dataclass(frozen=True)
class PhraseScore:
    """How prompts were read. An ask of a prompt is a yes, right where the label has it too."""

    prompts: int
    asks: Mapping[str, Score]
    """Concept set or concept -> its score."""
    all: Score
    misses: tuple[PhraseMiss, ...]


def read_labelled_phrases(path: Path) -> LabelledPhraseSet:
    """Return the labelled prompts of a file; a LabelledSetError says what is wrong with it."""
    return read_labelled_file(path, LabelledPhraseSet, "benchmarks/responsible_text/development.yaml")


def score_phrases(phrases: Phrases, labelled: Sequence[LabelledPhraseSet]) -> PhraseScore:
    """Return how all prompts of these files together are read."""
    counts: Counter[tuple[str, bool, bool]] = Counter()
    misses = []
    groups = [group for one in labelled for group in one.groups]
    for group in groups:
        for prompt in group.prompts:
            reading = read_phrases(prompt, phrases)
            asks = (*reading.sets, *reading.concepts)
            for name in {*asks, *group.asks}:
                counts[name, name in group.asks, name in asks] += 1
            if set(asks) != set(group.asks):
                misses.append(PhraseMiss(group.category, prompt, group.asks, asks))
    names = sorted({name for name, _, _ in counts})
    scores = {name: Score.counted(counts, name) for name in names}
    return PhraseScore(
        prompts=sum(len(group.prompts) for group in groups),
        asks=scores,
        all=Score(
            sum(one.right_yes for one in scores.values()),
            sum(one.wrong_yes for one in scores.values()),
            sum(one.wrong_no for one in scores.values()),
        ),
        misses=tuple(misses),
    )
