"""What the commands that measure on labelled prompts share: their options, and how figures are told.

Entry points: `EvaluateOption`, `ErrorsOption`, `JsonOption`, `check_asked`, `Measure`, `measured_halves`, `rates`,
`scores_table`, `write_figures`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

if TYPE_CHECKING:
    from policies.labelled import LabelledFile
    from policies.score import Score

File = TypeVar("File", bound="LabelledFile[Any]")
Found = TypeVar("Found")

EvaluateOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--evaluate", metavar="FILE", exists=True, show_default=False,
        help="Labelled prompts to measure on, or a folder of such files; repeatable.",
    ),
]  # fmt: skip
ErrorsOption = Annotated[
    bool,
    typer.Option("--errors", help="Show the errors of a held-out file too: it is then no longer held out."),
]
JsonOption = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", show_default=False, help="Write the figures here too."),
]


def check_asked(prompts: Sequence[str] | None, evaluate: Sequence[Path] | None, json: Path | None) -> None:
    """Refuse both or neither of prompts and files, and figures of nothing measured."""
    if bool(prompts) == bool(evaluate):
        raise typer.BadParameter("give prompts to explain, or --evaluate with labelled files.")
    if json is not None and not evaluate:
        raise typer.BadParameter("--json writes the figures of --evaluate.")


@dataclass(frozen=True)
class Measure(Generic[File, Found]):
    """How one kind of labels is measured and told."""

    read: Callable[[Path], File]
    score: Callable[[Sequence[File]], Found]
    """What is found on all prompts of these files together."""
    figures: Callable[[Found], Mapping[str, object]]
    show: Callable[[str, Found], None]
    """Tells what was found on a half."""
    show_misses: Callable[[Found], None]


def measured_halves(
    given: Sequence[Path], measure: Measure[File, Found], *, show_all: bool
) -> dict[str, object]:
    """Measure on each half, on all of its files together, and tell it; return the figures, of each file too.

    `given` are files, or folders of some. The errors of a half that hides them are shown with `show_all` alone.
    """
    files = [file for path in given for file in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])]
    read = {path: measure.read(path) for path in files}
    figures: dict[str, object] = {}
    for half in dict.fromkeys(labelled.half for labelled in read.values()):
        of_half = {path: labelled for path, labelled in read.items() if labelled.half == half}
        found = measure.score(list(of_half.values()))
        measure.show(half, found)
        if show_all or not any(labelled.hide_errors for labelled in of_half.values()):
            measure.show_misses(found)
        figures[half] = {
            **measure.figures(found),
            "files": {
                path.name: measure.figures(measure.score([labelled])) for path, labelled in of_half.items()
            },
        }
    return figures


def scores_table(title: str, scores: Mapping[str, Score]) -> Table:
    """Return a table of precision and recall, with a row for each score."""
    table = Table(title, "precision", "recall", "wrongly yes", "wrongly no", box=SIMPLE_HEAD)
    for name, score in scores.items():
        table.add_row(
            name,
            f"{score.precision:.4f}",
            f"{score.recall:.4f}",
            str(score.wrong_yes),
            str(score.wrong_no),
        )
    return table


def rates(score: Score) -> dict[str, float | int]:
    """Return a score as figures for a file."""
    return {
        "precision": round(score.precision, 4),
        "recall": round(score.recall, 4),
        "wrongly yes": score.wrong_yes,
        "wrongly no": score.wrong_no,
    }


def write_figures(path: Path, figures: Mapping[str, object]) -> None:
    """Write figures with their date."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"date": str(date.today()), **figures}, indent=2)
    path.write_text(text + "\n", encoding="utf-8")
