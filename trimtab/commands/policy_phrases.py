"""`trimtab policy phrases`: the responsible phrases of prompts, or how often they are read rightly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trimtab.commands.console import told_errors
from trimtab.commands.labelled import (
    ErrorsOption,
    EvaluateOption,
    JsonOption,
    check_asked,
    labelled_files,
    rates,
    rates_row,
    write_figures,
)

if TYPE_CHECKING:
    from policies.phrase_score import PhraseScore
    from policies.responsible_phrases import Phrases


def phrases(
    prompts: Annotated[list[str] | None, typer.Argument(help="Prompts to explain.")] = None,
    evaluate: EvaluateOption = None,
    errors: ErrorsOption = False,
    json: JsonOption = None,
    added: Annotated[
        Path | None,
        typer.Option(
            "--phrases",
            metavar="FILE",
            show_default=False,
            help="A YAML file of phrases added to the shipped ones.",
        ),
    ] = None,
) -> None:
    """Explain what prompts' responsible phrases ask for; or measure it on labelled ones with --evaluate."""
    from policies.errors import PolicyError
    from policies.responsible_phrases import load_phrases

    check_asked(prompts, evaluate, json)
    console = Console(highlight=False)
    with told_errors(PolicyError, OSError):
        known = load_phrases(*([] if added is None else [added]))
        for prompt in prompts or ():
            _explain(console, known, prompt)
        if evaluate:
            _evaluate(console, known, labelled_files(evaluate), show_all=errors, json=json)


def _explain(console: Console, known: Phrases, prompt: str) -> None:
    from policies.responsible_phrases import read_phrases

    reading = read_phrases(prompt, known)
    console.print(Text(prompt, style="bold"))
    for phrase in reading.phrases:
        console.print(Text(f"  {phrase.reason}"))
    without = f"without them: {reading.prompt!r}" if reading.phrases else "no responsible phrase"
    console.print(Text(f"  {without}"))


def _evaluate(
    console: Console, known: Phrases, files: Sequence[Path], *, show_all: bool, json: Path | None
) -> None:
    """Measure on each half: on all of its files together."""
    from policies.phrase_score import read_labelled_phrases, score_phrases

    sets = {path: read_labelled_phrases(path) for path in files}
    figures = {}
    for half in dict.fromkeys(labelled.half for labelled in sets.values()):
        of_half = {path: labelled for path, labelled in sets.items() if labelled.half == half}
        found = score_phrases(known, list(of_half.values()))
        _show(console, half, found)
        if show_all or not any(labelled.hide_errors for labelled in of_half.values()):
            for miss in found.misses:
                wanted, got = (", ".join(asks) or "nothing" for asks in (miss.should_ask, miss.asks))
                console.print(Text(f"{miss.category}: {miss.prompt!r} asks for {wanted}, was read as {got}"))
        figures[half] = _figures(found) | {
            "files": {
                path.name: _figures(score_phrases(known, [labelled])) for path, labelled in of_half.items()
            }
        }
    if json is not None:
        write_figures(json, {"halves": figures})


def _figures(found: PhraseScore) -> dict[str, object]:
    asks = {name: rates(counted) for name, counted in found.asks.items()}
    return {"prompts": found.prompts, "all": rates(found.all), **asks}


def _show(console: Console, half: str, found: PhraseScore) -> None:
    table = Table("asked for", "precision", "recall", "wrongly yes", "wrongly no", box=SIMPLE_HEAD)
    for name, counted in found.asks.items():
        table.add_row(name, *rates_row(counted))
    table.add_section()
    table.add_row("all", *rates_row(found.all))
    console.print(f"{half}: {found.prompts} prompts")
    console.print(table)
