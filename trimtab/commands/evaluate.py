"""`trimtab evaluate`: what vectors do, measured beside other methods, as tables, as JSON and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.commands.console import told_errors
from trimtab.commands.evaluation_options import EvaluationOptions, ImagesOption, with_options
from trimtab.commands.evaluation_run import run_evaluation

if TYPE_CHECKING:
    from evaluation import Bench, Generalise
    from evaluation.prompts import Prompt

app = typer.Typer(
    no_args_is_help=True, help="Measure what vectors do, beside the plain model and other methods."
)

SetOption = Annotated[list[str], typer.Option("--set", help="A concept set; repeatable.")]
_SETS = ["gender", "race"]
_PER_REQUEST = 16
"""Images of a request to a service: as many as it takes by default."""


@app.command()
@with_options
def fairness(
    options: EvaluationOptions,
    sets: SetOption = _SETS,
    prompts: Annotated[
        str,
        typer.Option(
            help="demo: professions and scenes of the demo model that nothing is learned or chosen on; dev: those "
            "that recipes are chosen on; professions or professions-hard: the 36 of Li et al., CVPR 2024."
        ),
    ] = "demo",
    images: ImagesOption = 60,
    served: Annotated[
        bool,
        typer.Option(
            "--served",
            help="Ask a service in this process, whose policies assign the groups; demo is then every profession of "
            "the demo model.",
        ),
    ] = False,
    per_request: Annotated[
        int | None,
        typer.Option(min=1, show_default=False, help="Images of a request with --served. [default: 16]"),
    ] = None,
    redis_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", show_default=False, help="Ask two services that share this Redis, with --served."
        ),
    ] = None,
) -> None:
    """Measure how evenly groups appear in professions' pictures, each group asked for equally often."""
    from evaluation import EvaluationError, Fairness
    from evaluation.prompts import SERVED_PROMPTS
    from evaluation.reports import fairness_sections

    if served:
        from trimtab.commands.evaluate_served import run_served

        with told_errors(EvaluationError):
            asked = SERVED_PROMPTS if prompts == "demo" else _fairness_prompts(prompts)
        run_served(options, images, per_request or _PER_REQUEST, sets, asked, redis_url)
        return
    if per_request is not None or redis_url is not None:
        raise typer.BadParameter("--per-request and --redis-url are for a service: give --served too.")
    run_evaluation(
        options,
        images,
        {"sets": list(sets), "prompts": prompts},
        lambda bench: Fairness(bench, sets=sets, prompts=_fairness_prompts(prompts)),
        fairness_sections,
    )


@app.command()
@with_options
def safety(
    options: EvaluationOptions,
    prompts: Annotated[
        str,
        typer.Option(
            help="demo: innocent-looking and harmless prompts for the demo model; dev: those that recipes are chosen "
            "on; i2p: the prompts of Schramowski et al., CVPR 2023, with their own seeds and guidance."
        ),
    ] = "demo",
    i2p: Annotated[
        Path | None,
        typer.Option(
            "--i2p", metavar="CSV", exists=True, dir_okay=False, show_default=False,
            help="The file of the I2P prompts. [default: the one in the Hugging Face cache]",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, show_default=False, help="Take the first prompts of I2P only.")
    ] = None,
    images: ImagesOption = 60,
) -> None:  # fmt: skip
    """Measure how often prompts bring unsafe pictures, and what else changes when that is prevented."""
    from evaluation import Safety
    from evaluation.reports import safety_sections

    run_evaluation(
        options,
        images,
        {"prompts": prompts, "limit": limit},
        lambda bench: Safety(bench, prompts=_safety_prompts(prompts, i2p, limit)),
        safety_sections,
    )


@app.command()
@with_options
def drift(options: EvaluationOptions, sets: SetOption = _SETS, images: ImagesOption = 12) -> None:
    """Measure how far pictures move that nothing should change: of things and animals, and of harmless people."""
    from evaluation import Drift
    from evaluation.reports import drift_sections

    run_evaluation(
        options, images, {"sets": list(sets)}, lambda bench: Drift(bench, sets=sets), drift_sections
    )


@app.command()
@with_options
def compose(
    options: EvaluationOptions,
    concepts: Annotated[
        list[str],
        typer.Option(
            "--concept", help="A concept set or a concept that is asked for with the others; repeatable."
        ),
    ] = ["gender", "race", "with-glasses"],  # noqa: B006
    images: ImagesOption = 12,
) -> None:
    """Measure several concepts in one picture, with the safety concepts too, and each one's strength."""
    from evaluation import Compose
    from evaluation.reports import compose_sections

    run_evaluation(
        options,
        images,
        {"concepts": list(concepts)},
        lambda bench: Compose(bench, concepts=concepts),
        compose_sections,
    )


@app.command()
@with_options
def generalise(
    options: EvaluationOptions,
    sets: SetOption = _SETS,
    concept: Annotated[str, typer.Option(help="A concept that animals can show too.")] = "with-glasses",
    sizes: Annotated[
        list[str] | None,
        typer.Option(
            "--size", metavar="HEIGHTxWIDTH", show_default=False,
            help="Another size in pixels; repeatable. [default: the model's own height, a quarter wider]",
        ),
    ] = None,
    images: ImagesOption = 12,
) -> None:  # fmt: skip
    """Measure vectors on animals, professions, scenes and sizes that they were not learned on."""
    from evaluation import Generalise
    from evaluation.reports import generalise_sections

    def plan(bench: Bench) -> Generalise:
        sizes_px = [_size(one) for one in sizes or []] or [_a_quarter_wider(bench)]
        return Generalise(bench, sizes_px=sizes_px, sets=sets, concept=concept)

    asked = {"sets": list(sets), "concept": concept, "sizes": sizes or []}
    run_evaluation(options, images, asked, plan, generalise_sections)


def _size(text: str) -> tuple[int, int]:
    """Return the height and width of "64x80"."""
    from evaluation import EvaluationError

    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise EvaluationError(f"{text!r} is no size: write height and width in pixels, such as 64x80")
    return int(height), int(width)


def _a_quarter_wider(bench: Bench) -> tuple[int, int]:
    """Return a height and width in pixels that the model can make."""
    (height, width), multiple = bench.engine.model.default_size, bench.engine.model.pixel_multiple
    return height, round(1.25 * width / multiple) * multiple


def _fairness_prompts(name: str) -> Sequence[Prompt]:
    from evaluation import EvaluationError
    from evaluation.prompts import DEV_FAIRNESS_PROMPTS, FAIRNESS_PROMPTS
    from evaluation.published_prompts import profession_prompts

    if name in ("professions", "professions-hard"):
        return profession_prompts(hard=name.endswith("hard"))
    known = {"demo": FAIRNESS_PROMPTS, "dev": DEV_FAIRNESS_PROMPTS}
    if name not in known:
        raise EvaluationError(f"no prompts {name!r}; there are demo, dev, professions and professions-hard")
    return known[name]


def _safety_prompts(name: str, i2p: Path | None, limit: int | None) -> Mapping[str, Sequence[Prompt]]:
    from evaluation import EvaluationError
    from evaluation.prompts import (
        DEV_HARMLESS_PROMPTS,
        DEV_SAFETY_PROMPTS,
        HARMLESS_PROMPTS,
        SAFETY_PROMPTS,
    )
    from evaluation.published_prompts import categories_of, load_i2p
    from evaluation.safety import HARMLESS

    if name != "i2p" and (i2p is not None or limit is not None):
        raise EvaluationError(f"the prompts {name!r} are not read from a file: give --prompts i2p")
    if name == "i2p":
        filed: dict[str, list[Prompt]] = {}
        for prompt in load_i2p(i2p, limit=limit):
            for category in categories_of(prompt):
                filed.setdefault(category, []).append(prompt)
        return filed
    known = {
        "demo": {**SAFETY_PROMPTS, HARMLESS: HARMLESS_PROMPTS},
        "dev": {**DEV_SAFETY_PROMPTS, HARMLESS: DEV_HARMLESS_PROMPTS},
    }
    if name not in known:
        raise EvaluationError(f"no prompts {name!r}; there are demo, dev and i2p")
    return known[name]
