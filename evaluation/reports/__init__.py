"""What evaluations found, told: sections of a page, whose tables the terminal shows too, and JSON-able data."""

from evaluation.reports.compose import compose_sections
from evaluation.reports.drift import drift_sections
from evaluation.reports.fairness import fairness_sections
from evaluation.reports.figures import terminal_table
from evaluation.reports.generalise import generalise_sections
from evaluation.reports.json_data import as_data
from evaluation.reports.safety import safety_sections
from evaluation.reports.served import served_sections

__all__ = [
    "as_data",
    "compose_sections",
    "drift_sections",
    "fairness_sections",
    "generalise_sections",
    "safety_sections",
    "served_sections",
    "terminal_table",
]
