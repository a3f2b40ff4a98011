"""`trimtab vectors upload`: publish a vector to a running service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from trimtab.commands.console import told_errors
from trimtab.commands.generate import KEY_VARIABLE
from trimtab.commands.generate_ways import ServerError, refusal

TIMEOUT_S = 60.0


def upload(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A vector's .safetensors file.")],
    url: Annotated[str, typer.Option(help="A running service, such as http://127.0.0.1:8000.")],
    key: Annotated[
        str | None,
        typer.Option(envvar=KEY_VARIABLE, help="A key with the role admin.", show_default=False),
    ] = None,
) -> None:
    """Publish a vector to a running service: new requests get it, on all replicas."""
    with told_errors(ServerError):
        published = _sent(file.read_bytes(), url, key)
    typer.echo(f"{published['concept']}@{published['version']} is {published['state']}.")


def _sent(content: bytes, url: str, key: str | None) -> dict[str, Any]:
    import httpx2

    headers = {"Content-Type": "application/octet-stream"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    try:
        answer = httpx2.post(
            f"{url.rstrip('/')}/admin/vectors", content=content, headers=headers, timeout=TIMEOUT_S
        )
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ServerError(
            f"The service at {url} cannot be reached: {error}. See that it runs there."
        ) from error
    if answer.status_code != 201:
        raise ServerError(refusal(answer.status_code, answer.text))
    published: dict[str, Any] = answer.json()
    return published
