"""`trimtab policy`: what policies do with a prompt. Each subcommand has a file of its own, registered here."""

import typer

from trimtab.commands.policy_gate import gate
from trimtab.commands.policy_phrases import phrases

app = typer.Typer(no_args_is_help=True, help="See what policies do with a prompt.")


@app.callback()
def policy() -> None:
    """See what policies do with a prompt."""


app.command()(gate)
app.command()(phrases)
