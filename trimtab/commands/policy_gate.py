"""`trimtab policy gate`: where fairness applies and why, or how often that is decided rightly."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trimtab.commands.console import open_model, told_errors
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
    from policies.gate import LexiconGate
    from policies.gate_score import GateScore


def gate(
    prompts: Annotated[list[str] | None, typer.Argument(help="Prompts to explain.")] = None,
    concept_sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="A concept set to decide about. Default: gender and race."),
    ] = None,
    evaluate: EvaluateOption = None,
    errors: ErrorsOption = False,
    json: JsonOption = None,
    lexicon: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A YAML file of words added to the shipped ones.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Ask this model's text encoder too, where the lexicon knows no word: a diffusers directory or hub "
            "name; demo for the embedded one.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Explain where fairness applies, for prompts; or measure it on labelled ones with --evaluate."""
    from policies.errors import PolicyError

    check_asked(prompts, evaluate, json)
    console = Console(highlight=False)
    with told_errors(PolicyError, OSError):
        chosen = _gate(lexicon, model)
        for prompt in prompts or ():
            _explain(console, chosen, prompt, concept_sets or ("gender", "race"))
        if evaluate:
            figures = _evaluate(console, chosen, evaluate, show_all=errors)
            if json is not None:
                write_figures(json, {"second opinion": model, "halves": figures})


def _gate(lexicon: Path | None, model: str | None) -> LexiconGate:
    from policies.gate import LexiconGate, shipped_gate

    added = [] if lexicon is None else [lexicon]
    if model is None:
        return shipped_gate(*added)
    from diffusion import DiffusionError
    from policies.prompt_reading.lexicon import load_lexicon
    from service.encoder_gate import EncoderGate

    with told_errors(DiffusionError):
        second = EncoderGate(open_model(model, "cpu", "float32").summarise)
    return LexiconGate(load_lexicon(*added), second)


def _explain(console: Console, gate: LexiconGate, prompt: str, concept_sets: Sequence[str]) -> None:
    console.print(Text(prompt, style="bold"))
    table = Table(box=None, show_header=False, padding=(0, 2))
    for decision in gate.decide(prompt, concept_sets):
        table.add_row(decision.concept_set, "applies" if decision.applies else "no", Text(decision.reason))
    console.print(table)


def _evaluate(
    console: Console, gate: LexiconGate, files: Sequence[Path], *, show_all: bool
) -> dict[str, object]:
    from policies.gate_score import read_labelled, score

    measure = Measure(
        read_labelled, partial(score, gate), _figures, partial(_show, console), partial(_show_misses, console)
    )
    return measured_halves(files, measure, show_all=show_all)


def _figures(found: GateScore) -> dict[str, object]:
    return {"prompts": found.prompts, **{name: rates(counted) for name, counted in found.sets.items()}}


def _show(console: Console, half: str, found: GateScore) -> None:
    console.print(f"{half}: {found.prompts} prompts")
    console.print(scores_table("fairness applies", found.sets))
    kinds = Table("category", "prompts", "with an error", box=SIMPLE_HEAD)
    for category, (size, wrong) in found.categories.items():
        kinds.add_row(category, str(size), str(wrong))
    console.print(kinds)


def _show_misses(console: Console, found: GateScore) -> None:
    for miss in found.misses:
        wanted = "should apply" if miss.should_apply else "should not apply"
        console.print(Text(f"{miss.category}: {miss.prompt!r}: {miss.concept_set} {wanted}: {miss.reason}"))
