"""Spans of time as they are written on the command line: 90d, 24h, 30m, 10s.

Entry point: `duration`.
"""

import re
from datetime import timedelta

import typer

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=3650)


def duration(text: str) -> timedelta:
    """Return the span that a text names; BadParameter where it names none, or one of more than ten years."""
    found = re.fullmatch(r"(\d{1,9})([smhd])", text.strip())
    span = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta()
    if not timedelta() < span <= _LONGEST:
        raise typer.BadParameter(f"{text!r} is no span of time. Write one such as 90d, 24h, 30m or 10s.")
    return span
