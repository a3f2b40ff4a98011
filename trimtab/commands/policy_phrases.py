"""`trimtab policy phrases`: the responsible phrases of prompts, or how often they are read rightly."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from trimtab.commands.console import told_errors
from trimtab.commands.labelled import (
    ErrorsOption,
    EvaluateOption,
    JsonOption,
    Measure,
    check_asked,
    measured_halves,
    rates,
    scores_table,
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
            figures = _evaluate(console, known, evaluate, show_all=errors)
            if json is not None:
                write_figures(json, {"halves": figures})


def _explain(console: Console, known: Phrases, prompt: str) -> None:
    from policies.responsible_phrases import read_phrases

    reading = read_phrases(prompt, known)
    console.print(Text(prompt, style="bold"))
    for phrase in reading.phrases:
        console.print(Text(f"  {phrase.reason}"))
    without = f"without them: {reading.prompt!r}" if reading.phrases else "no responsible phrase"
    console.print(Text(f"  {without}"))


def _evaluate(
    console: Console, known: Phrases, files: Sequence[Path], *, show_all: bool
) -> dict[str, object]:
    from policies.phrase_score import read_labelled_phrases, score_phrases

    measure = Measure(
        read_labelled_phrases,
        partial(score_phrases, known),
        _figures,
        partial(_show, console),
        partial(_show_misses, console),
    )
    return measured_halves(files, measure, show_all=show_all)


def _figures(found: PhraseScore) -> dict[str, object]:
    asks = {name: rates(counted) for name, counted in found.asks.items()}
    return {"prompts": found.prompts, "all": rates(found.all), **asks}


def _show(console: Console, half: str, found: PhraseScore) -> None:
    console.print(f"{half}: {found.prompts} prompts")
    console.print(scores_table("asked for", {**found.asks, "all": found.all}))


def _show_misses(console: Console, found: PhraseScore) -> None:
    for miss in found.misses:
        wanted, got = (", ".join(asks) or "nothing" for asks in (miss.should_ask, miss.asks))
        console.print(Text(f"{miss.category}: {miss.prompt!r} asks for {wanted}, was read as {got}"))
