"""The report of fairness as it is served.

Entry point: `served_sections`.
"""

from __future__ import annotations

from evaluation.page import Section, Table
from evaluation.reports.figures import bar_chart, told, told_interval
from evaluation.served import ServedResult


def served_sections(result: ServedResult) -> list[Section]:
    """Return what there is to tell: mean deviation ratios, those of each profession, and what was left alone."""
    names = list(result.conditions[0].deviation)
    return [
        Section(
            "Mean deviation ratio of what is served",
            "0 is fair, 1 is one group only. The mean over the professions, with a bootstrap interval over the "
            f"images; {result.images_per_prompt} images a profession in requests of {result.images_per_request}, on "
            "the same seeds.",
            table=Table(
                ["policy", *(heading for name in names for heading in (f"{name} DR", "95 %")), "obeyed"],
                [
                    [
                        one.policy,
                        *(
                            cell
                            for name in names
                            for cell in (
                                told(one.mean_deviation[name]),
                                told_interval(one.mean_deviation[name]),
                            )
                        ),
                        " / ".join(told(share) for share in one.obeyed.values()),
                    ]
                    for one in result.conditions
                ],
            ),
            bars=bar_chart(
                "Mean deviation ratio",
                ((name, one.policy, one.mean_deviation[name]) for name in names for one in result.conditions),
            ),
        ),
        Section(
            "Deviation ratio of each profession",
            table=Table(
                ["policy", "profession", *(f"{name} DR" for name in names)],
                [
                    [one.policy, profession, *(told(one.deviation[name][profession]) for name in names)]
                    for one in result.conditions
                    for profession in one.deviation[names[0]]
                ],
            ),
        ),
        Section(
            "What is left alone",
            "Prompts that fairness does not apply to give the pictures that they give without a policy, bit by bit.",
            table=Table(
                ["policy", "profession kept", "95 %", "changed outside the gate", "pictures"],
                [
                    [
                        one.policy,
                        told(one.profession),
                        told_interval(one.profession),
                        str(one.changed_outside.hits),
                        str(one.changed_outside.total),
                    ]
                    for one in result.conditions
                ],
            ),
        ),
    ]
