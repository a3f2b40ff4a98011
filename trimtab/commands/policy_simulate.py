"""`trimtab policy simulate`: how the served shares go to a policy's target, in each way of assigning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from trimtab.commands.console import told_errors
from trimtab.commands.library import LibraryOption, opened_library
from trimtab.commands.policy import app
from trimtab.commands.policy_choice import ConfigOption, PolicyOption, policy_or_name

if TYPE_CHECKING:
    from policies.cells import Cell
    from policies.simulate import Simulation

MAX_LINES = 8
"""Cells that one plot can show; of more, only the table tells."""


@app.command()
def simulate(
    policy: PolicyOption = None,
    requests: Annotated[int, typer.Option("--requests", "-n", min=1, help="How many requests.")] = 200,
    images: Annotated[int, typer.Option(min=1, help="Images of each request.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Decides the requests' seeds.")] = 0,
    out: Annotated[Path, typer.Option(help="The plot's file, PNG, SVG or PDF.")] = Path("simulation.png"),
    vectors: LibraryOption = None,
    config: ConfigOption = None,
) -> None:
    """Draw members for many requests about the same people, and plot the served shares against the target.

    Nothing is generated. All fairness rules are taken to apply.
    """
    from policies.check import check_policy
    from policies.concepts import Concepts
    from policies.document import Assignment
    from policies.errors import PolicyError, choose_from
    from policies.simulate import simulate as simulated
    from service.settings import SettingsError, load_settings

    with told_errors(SettingsError, PolicyError):
        settings = load_settings({"config": config, "vectors": vectors})
        given = policy_or_name(policy)
        asked = settings.default_policy if given is None else given
        if isinstance(asked, str):
            if asked not in settings.policies:
                raise typer.BadParameter(
                    f"There is no policy {asked!r}. {choose_from(asked, settings.policies)}"
                )
            asked = settings.policies[asked]
        if not asked.fairness:
            raise typer.BadParameter("The policy has no fairness rules: there is nothing to assign.")
        library = opened_library(settings.vectors)
        sets = {name: members.members for name, members in library.sets().items()}
        recommended = {stored.name: stored.vector.recommended_strength for stored in library.list()}
        check_policy(asked.model_copy(update={"safety": ()}), Concepts(sets, recommended))
        simulations = [
            simulated(asked.fairness, sets, assignment, requests=requests, images=images, seed=seed)
            for assignment in get_args(Assignment)
        ]
    names = [rule.set for rule in asked.fairness]
    _show(Console(highlight=False), simulations, names)
    _plot(simulations, f"{asked.name or 'policy'}: {' x '.join(names)}, {images} images a request", out)
    typer.echo(f"Plotted to {out}.")


def _label(cell: Cell) -> str:
    return " ".join("as it is" if member is None else member for member in cell)


def _show(console: Console, simulations: Sequence[Simulation], names: Sequence[str]) -> None:
    from policies.simulate import confidence_band

    total = simulations[0].images[-1]
    table = Table(
        " x ".join(names),
        "target",
        f"95% of {total} draws",
        *(one.assignment for one in simulations),
        box=SIMPLE_HEAD,
    )
    for cell, share in simulations[0].target.items():
        low, high = confidence_band(share, total)
        shares = (f"{one.share(cell):.4f}" for one in simulations)
        table.add_row(_label(cell), f"{share:.4f}", f"{low:.4f} to {high:.4f}", *shares)
    table.add_section()
    table.add_row("largest deviation", "", "", *(f"{one.deviation:.4f}" for one in simulations))
    console.print(table)


def _plot(simulations: Sequence[Simulation], title: str, out: Path) -> None:
    from matplotlib.figure import Figure

    from policies.simulate import confidence_band

    figure = Figure(figsize=(4 * len(simulations), 4.2), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(1, len(simulations), sharey=True)
    cells = list(simulations[0].target)[:MAX_LINES]
    for panel, simulation in zip(panels, simulations, strict=True):
        panel.set_title(simulation.assignment)
        panel.set_xlabel("images served")
        panel.set_xscale("log")
        for share in dict.fromkeys(round(simulation.target[cell], 6) for cell in cells):
            low, high = zip(*(confidence_band(share, images) for images in simulation.images), strict=True)
            panel.fill_between(simulation.images, low, high, color="0.5", alpha=0.2, linewidth=0)
            panel.axhline(share, color="0.2", linewidth=0.8, linestyle="--")
        for cell in cells:
            shares = [
                served / images
                for served, images in zip(simulation.served[cell], simulation.images, strict=True)
            ]
            panel.plot(simulation.images, shares, label=_label(cell))
    panels[0].set_ylabel("share; dashed: target; shaded: 95% of independent draws")
    panels[-1].legend(fontsize="small")
    figure.savefig(out)
