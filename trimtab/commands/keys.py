"""`trimtab keys`: create, list, rotate and revoke the keys that a service lets in; a running one sees it at once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from trimtab.commands.console import told_errors
from trimtab.commands.durations import duration

if TYPE_CHECKING:
    from service.key_records import Issued, KeyRecord
    from service.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Create, list, rotate and revoke the API keys of a service.")

KeysOption = Annotated[
    Path | None,
    typer.Option(
        "--keys", metavar="FILE", dir_okay=False, help="The file of keys. [default: the configured one]"
    ),
]
ConfigOption = Annotated[
    Path | None, typer.Option(help="A YAML file with the service's settings: its keys and tenants.")
]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="A key's id, as 'trimtab keys list' shows it.")]


class UnknownKeyIdError(Exception):
    """There is no key of this id."""


@app.command()
def create(
    tenant: Annotated[str, typer.Option(metavar="NAME", help="Whose key it is.")],
    role: Annotated[
        list[str] | None,
        typer.Option(
            help="What it may do: generate, read, admin; several times for several. [default: generate, read]",
            show_default=False,
        ),
    ] = None,
    expires: Annotated[
        timedelta | None,
        typer.Option(parser=duration, metavar="SPAN", help="When it ends: 90d, 12h. [default: never]"),
    ] = None,
    note: Annotated[str, typer.Option(help="What it is for, in a few words.")] = "",
    keys: KeysOption = None,
    config: ConfigOption = None,
) -> None:
    """Create a key and print it, this once: only a salted hash of its secret is kept."""
    from pydantic import ValidationError

    from service.errors import ServiceError
    from service.key_file import changed_keys
    from service.key_records import issued
    from service.settings import SettingsError
    from service.tenants import configured_tenant

    now = _now()
    roles = _roles(role)
    with told_errors(SettingsError, ServiceError):
        settings, file = _configured(keys, config)
        configured_tenant(tenant, settings.tenants, settings.policies)
        try:
            new = issued(tenant, roles, now, expires=None if expires is None else now + expires, note=note)
        except ValidationError as error:
            raise typer.BadParameter(
                "A tenant's name has lower-case letters, digits and hyphens; a note up to 200 characters."
            ) from error
        with changed_keys(file) as ring:
            ring[new.record.id] = new.record
    _print(
        new, f"Key {new.record.id} of {tenant}, for {' and '.join(new.record.roles)}. It is shown this once."
    )


@app.command("list")
def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    keys: KeysOption = None,
    config: ConfigOption = None,
) -> None:
    """Show whose keys there are and what they may do; nothing of their secrets."""
    from service.errors import ServiceError
    from service.key_file import read_keys
    from service.settings import SettingsError

    now = _now()
    with told_errors(SettingsError, ServiceError):
        records = read_keys(_configured(keys, config)[1]).values()
    if as_json:
        typer.echo(json.dumps([_shown(record, now) for record in records], indent=2))
        return
    # Ids are to be copied: what is too wide breaks elsewhere.
    table = Table(
        Column("id", no_wrap=True, min_width=16),
        "tenant",
        "roles",
        "created",
        "state",
        "note",
        box=SIMPLE_HEAD,
    )
    for record in records:
        table.add_row(
            record.id,
            record.tenant,
            ", ".join(record.roles),
            _day(record.created),
            Text(_state(record, now)),
            Text(record.note),
        )
    Console(highlight=False).print(table)


@app.command()
def rotate(
    key_id: IdArgument,
    grace: Annotated[
        timedelta | None,
        typer.Option(
            parser=duration,
            metavar="SPAN",
            help="How long the old secret still opens: 24h, 7d. [default: not at all]",
        ),
    ] = None,
    keys: KeysOption = None,
    config: ConfigOption = None,
) -> None:
    """Give a key a new secret and print it, this once; its id, tenant and roles stay."""
    from service.errors import ServiceError
    from service.key_file import changed_keys
    from service.key_records import rotated
    from service.settings import SettingsError

    now = _now()
    until = None if grace is None else now + grace
    with (
        told_errors(SettingsError, ServiceError, UnknownKeyIdError),
        changed_keys(_configured(keys, config)[1]) as ring,
    ):
        record = _found(ring, key_id)
        if record.state(now) != "live":
            raise UnknownKeyIdError(f"The key {key_id} is {record.state(now)}. Create a new one.")
        new = rotated(record, now, until)
        ring[key_id] = new.record
    old = "opens no more" if until is None else f"opens until {_minute(until)}"
    _print(new, f"The new secret of {key_id}. It is shown this once; the old one {old}.")


@app.command()
def revoke(key_id: IdArgument, keys: KeysOption = None, config: ConfigOption = None) -> None:
    """Let a key open no more, with its old secrets; it stays in the list."""
    from service.errors import ServiceError
    from service.key_file import changed_keys
    from service.key_records import revoked
    from service.settings import SettingsError

    with (
        told_errors(SettingsError, ServiceError, UnknownKeyIdError),
        changed_keys(_configured(keys, config)[1]) as ring,
    ):
        ring[key_id] = revoked(_found(ring, key_id), _now())
    typer.echo(f"The key {key_id} opens no more.")


def _configured(keys: Path | None, config: Path | None) -> tuple[Settings, Path]:
    """Return the settings and the file of keys; raises SettingsError where none is named."""
    from service.settings import SettingsError, load_settings

    settings = load_settings({"keys": keys, "config": config})
    if settings.keys is None:
        raise SettingsError("No file of keys is configured. Name one with --keys, or set TRIMTAB_KEYS.")
    return settings, settings.keys


def _found(ring: dict[str, KeyRecord], key_id: str) -> KeyRecord:
    if key_id not in ring:
        raise UnknownKeyIdError(f"There is no key {key_id!r}. 'trimtab keys list' shows those there are.")
    return ring[key_id]


def _roles(given: list[str] | None) -> Any:
    """Return the roles that are asked for; BadParameter where one is none."""
    from service.callers import ALL_ROLES

    for role in given or ():
        if role not in ALL_ROLES:
            raise typer.BadParameter(f"There is no role {role!r}. There are: generate, read, admin.")
    return given or ["generate", "read"]


def _print(new: Issued, about: str) -> None:
    """Print the key alone where it can be piped, and beside it what it is."""
    typer.echo(about, err=True)
    typer.echo(new.key.get_secret_value())


def _shown(record: KeyRecord, now: datetime) -> dict[str, object]:
    shown = record.model_dump(mode="json", exclude={"salt", "hash", "old"})
    still = [one.until.isoformat() for one in record.old if now < one.until]
    return {**shown, "state": record.state(now), "old_secrets_until": still}


def _state(record: KeyRecord, now: datetime) -> str:
    state, ended = record.state(now), record.revoked or record.expires
    if state != "live":
        return state if ended is None else f"{state} {_day(ended)}"
    text = "live" if record.expires is None else f"live until {_minute(record.expires)}"
    still = [one.until for one in record.old if now < one.until]
    return f"{text}; an old secret until {_minute(max(still))}" if still else text


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _day(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d}"


def _minute(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
