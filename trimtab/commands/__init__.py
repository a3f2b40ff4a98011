"""The `trimtab` command: one file per subcommand, registered here.

Entry points: `app`, `main`. Command modules import torch and the rooms only when they run, so help is quick.
"""

import typer

from trimtab.commands import (
    audit,
    audit_query,
    audit_replay,
    audit_verify,
    demo,
    evaluate,
    keys,
    policy,
    policy_explain,
    policy_simulate,
    vectors,
)
from trimtab.commands.fingerprint import fingerprint
from trimtab.commands.generate import generate
from trimtab.commands.inspect import inspect
from trimtab.commands.learn import learn
from trimtab.commands.serve import serve
from trimtab.process import prepare_process

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # In rich markup, "[default: ...]" in a help text would be taken for a style and vanish.
    rich_markup_mode="markdown",
    help="Safe and fair images from a frozen text-to-image model, steered by concept vectors.",
)
app.command()(serve)
app.command()(generate)
app.command()(learn)
app.add_typer(vectors.app, name="vectors")
app.add_typer(policy.app, name="policy")
app.add_typer(keys.app, name="keys")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(demo.app, name="demo")
app.add_typer(audit.app, name="audit")
app.command()(inspect)
app.command()(fingerprint)

__all__ = ["app", "audit_query", "audit_replay", "audit_verify", "main", "policy_explain", "policy_simulate"]


def main() -> None:
    """Run the command line."""
    prepare_process()
    app()
