"""Whether commands in a script have the options that they are written with, without running them.

Entry point: `unknown_options`.
"""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import click
import typer.main

from trimtab.commands import app

ROOT = Path(__file__).parents[1]
BREAKS = {"|", "||", "&&", ";", "&", ">", "2>&1"}
ASSIGNED = re.compile(r"[A-Z_]+=.*")
EXTRA = re.compile(r"trimtab\[([\w,]+)\]")


def unknown_options(script: str, help_of: Callable[[str], str]) -> list[str]:
    """What is wrong with the project's own commands in a script: names and options that there are not.

    `help_of` gives what `python -m MODULE --help` says.
    """
    found: list[str] = []
    for words in _commands(script):
        match words:
            case ["trimtab", *rest]:
                found += _wrong_of_trimtab(rest)
            case ["learn-vector", *rest]:
                found += _wrong_of_trimtab(["learn", *rest])
            case ["python", "-m", module, *rest]:
                found += [f"{module} {one}" for one in _options(rest) if one not in help_of(module)]
            case ["make", *targets]:
                found += [f"make {one}" for one in targets if "=" not in one and not _is_target(one)]
            case ["pip", "install", *wanted]:
                found += _unknown_extras(wanted)
            case [path, *_] if path.startswith("scripts/") and not (ROOT / path).is_file():
                found.append(path)
    return found


def _commands(script: str) -> list[list[str]]:
    commands = []
    for line in script.replace("\\\n", " ").splitlines():
        words: list[str] = []
        for word in [*shlex.split(line, comments=True), ";"]:
            if word in BREAKS:
                if words:
                    commands.append([words[0].removeprefix(".venv/bin/"), *words[1:]])
                words = []
            elif words or not ASSIGNED.fullmatch(word):
                words.append(word)
    return commands


def _wrong_of_trimtab(words: list[str]) -> list[str]:
    command: click.Command = typer.main.get_command(app)
    context = click.Context(command, info_name="trimtab")
    words = list(words)
    while isinstance(command, click.Group):
        name = words.pop(0) if words else ""
        below = command.get_command(context, name)
        if below is None:
            return [f"{context.command_path} {name}"]
        command, context = below, click.Context(below, parent=context, info_name=name)
    try:
        command.make_parser(context).parse_args(args=words)
    except click.UsageError as error:
        return [f"{context.command_path}: {error.format_message()}"]
    return []


def _options(words: list[str]) -> list[str]:
    return [word.split("=")[0] for word in words if word.startswith("-")]


def _is_target(name: str) -> bool:
    return (
        re.search(rf"^{re.escape(name)}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        is not None
    )


def _unknown_extras(wanted: list[str]) -> list[str]:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    named = [name for word in wanted if (found := EXTRA.search(word)) for name in found[1].split(",")]
    return [f"the extra {name}" for name in named if name not in extras]
