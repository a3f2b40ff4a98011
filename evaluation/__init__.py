"""Measuring what vectors do: fairness and safety, with and without them, on pictures read by a detector.

`evaluate_fairness` and `evaluate_safety` are the entry points; `evaluation.report` turns results into tables.
"""

from evaluation.errors import EvaluationError
from evaluation.fairness import FairnessResult, evaluate_fairness
from evaluation.safety import SafetyResult, evaluate_safety

__all__ = ["EvaluationError", "FairnessResult", "SafetyResult", "evaluate_fairness", "evaluate_safety"]
