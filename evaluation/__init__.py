"""Measuring what vectors do, beside other methods on the same seeds, on pictures read by a detector.

An evaluation (`Fairness`, `Safety`, `Drift`, `Compose`, `Generalise`) plans its pictures with a `Bench`; a `Studio`
makes them into a run store, a `Gallery` looks at them, and `evaluation.reports` tells what was found. `evaluate` does
all but the telling. `ServedFairness` asks a service for its pictures instead.
"""

from evaluation.bench import Bench
from evaluation.compose import Compose, ComposeResult
from evaluation.drift import Drift, DriftResult
from evaluation.errors import EvaluationError
from evaluation.evaluation import Evaluation, evaluate
from evaluation.fairness import Fairness, FairnessResult
from evaluation.generalise import Generalise, GeneraliseResult
from evaluation.safety import Safety, SafetyResult
from evaluation.served import ServedFairness, ServedResult

__all__ = [
    "Bench",
    "Compose",
    "ComposeResult",
    "Drift",
    "DriftResult",
    "Evaluation",
    "EvaluationError",
    "Fairness",
    "FairnessResult",
    "Generalise",
    "GeneraliseResult",
    "Safety",
    "SafetyResult",
    "ServedFairness",
    "ServedResult",
    "evaluate",
]
