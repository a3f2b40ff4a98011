"""Moments as they are written on the command line: 2026-11-21, 2026-11-21T08:00, or 2h for two hours ago.

Entry point: `moment`.
"""

from datetime import UTC, datetime

import typer

from trimtab.commands.durations import duration


def moment(text: str) -> datetime:
    """Return the moment that a text names, in UTC where it says no zone; BadParameter where it names none."""
    try:
        named = datetime.fromisoformat(text.strip())
    except ValueError:
        try:
            return datetime.now(UTC) - duration(text)
        except typer.BadParameter:
            raise typer.BadParameter(
                f"{text!r} is no time. Write one such as 2026-11-21, 2026-11-21T08:00, or 2h for two hours ago."
            ) from None
    return named.replace(tzinfo=UTC) if named.tzinfo is None else named
