"""What the commands that measure on labelled prompts share: their options, and how figures are told.

Entry points: `EvaluateOption`, `ErrorsOption`, `JsonOption`, `check_asked`, `labelled_files`, `rates`, `rates_row`,
`write_figures`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from policies.score import Score

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


def labelled_files(given: Sequence[Path]) -> list[Path]:
    """Return the files, those of a folder in the order of their names."""
    return [file for path in given for file in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])]


def rates(score: Score) -> dict[str, float | int]:
    """Return a score as figures for a file."""
    return {
        "precision": round(score.precision, 4),
        "recall": round(score.recall, 4),
        "wrongly yes": score.wrong_yes,
        "wrongly no": score.wrong_no,
    }


def rates_row(score: Score) -> tuple[str, str, str, str]:
    """Return a score as the cells of a table: precision, recall, wrongly yes, wrongly no."""
    return f"{score.precision:.4f}", f"{score.recall:.4f}", str(score.wrong_yes), str(score.wrong_no)


def write_figures(path: Path, figures: Mapping[str, object]) -> None:
    """Write figures with their date."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"date": str(date.today()), **figures}, indent=2)
    path.write_text(text + "\n", encoding="utf-8")
