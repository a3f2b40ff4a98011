"""The way of every evaluation: it is planned, its pictures are made, then looked at.

Entry points: `Evaluation`, the interface, and `evaluate`, which runs one in this process alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from evaluation.bench import Bench
from evaluation.condition import Condition
from evaluation.gallery import Gallery
from evaluation.methods import Settings
from evaluation.progress import Progress
from evaluation.run_store import open_run
from evaluation.studio import Studio

Result_co = TypeVar("Result_co", covariant=True)


class Evaluation(Protocol[Result_co]):
    """What is to be made and counted; planned in full before any picture is made."""

    @property
    def name(self) -> str:
        """Such as "fairness"."""
        ...

    @property
    def conditions(self) -> Sequence[Condition]:
        """All that is to be made."""
        ...

    def result(self, gallery: Gallery) -> Result_co:
        """Count what the pictures show, once all are made."""
        ...


def method_settings(evaluation: Evaluation[object]) -> dict[str, Settings]:
    """Return of each method what its pictures in this evaluation depend on."""
    concepts: dict[str, dict[str, None]] = {}
    methods = {condition.method.name: condition.method for condition in evaluation.conditions}
    for condition in evaluation.conditions:
        for wish in condition.wishes:
            concepts.setdefault(condition.method.name, {}).update(dict.fromkeys(wish.concepts))
    return {name: method.settings(sorted(concepts.get(name, ()))) for name, method in methods.items()}


def evaluate(evaluation: Evaluation[Result_co], bench: Bench, *, progress: Progress) -> Result_co:
    """Make an evaluation's pictures on the bench it was planned with, count what they show, and keep nothing.

    Raises what the methods' `check` raises.
    """
    with open_run(None, {}) as store:
        Studio(bench.engine, store, progress=progress).make(evaluation.conditions)
        return evaluation.result(Gallery(store, bench.detector, progress=progress))
