"""`trimtab serve`: the HTTP service in this process, from the settings to the last answer."""

from __future__ import annotations

import errno
import logging
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.commands.console import model_path, told_errors
from trimtab.commands.model_choice import ModelOption

if TYPE_CHECKING:
    from service.generation import Generation
    from service.readiness import State
    from service.settings import Settings

logger = logging.getLogger(__name__)


class ListenError(Exception):
    """The address cannot be listened on."""


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 takes a free one. [default: 8000]")
    ] = None,
    model: ModelOption = None,
    vectors: Annotated[
        Path | None, typer.Option(help="A vector library's directory. [default: the shipped vectors]")
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(help="The file of API keys; 'trimtab keys' writes it. [default: none, loopback only]"),
    ] = None,
    allow_anonymous: Annotated[
        bool | None,
        typer.Option(
            "--allow-anonymous",
            help="Listen to other machines without keys: whoever reaches the service may generate.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="A YAML file with settings. TRIMTAB_* variables win over it, and options over both."
        ),
    ] = None,
) -> None:
    """Start the HTTP service."""
    from service.errors import ServiceError
    from service.settings import SettingsError, load_settings
    from trimtab.commands.startup import collector_paused, read_ahead, stoppable

    options = {
        "host": host,
        "port": port,
        "model": model,
        "vectors": vectors,
        "keys": keys,
        "allow_anonymous": allow_anonymous,
        "config": config,
    }
    with told_errors(SettingsError, ListenError, ServiceError), collector_paused(), stoppable():
        settings = load_settings(options)
        # Before anything slow: a taken port is known at once.
        with _listening(settings.host, settings.port) as listener:
            read_ahead(Path(model_path(settings.model)))
            _run(settings, listener)


def _run(settings: Settings, listener: socket.socket) -> None:
    """Serve until told to stop; raise a ServiceError where the model cannot be loaded or breaks down."""
    typer.echo("Loading the model ...")
    from service.stopwatch import Stopwatch
    from trimtab.commands.startup import keep_for_good, process_age_s, told

    watch = Stopwatch({"settings": process_age_s()})
    with watch.spent_on("imports"):
        from diffusion import leave_cores_to_engines
        from service.app import create_app
        from service.errors import ServiceError
        from service.observability.logs import configure_logs
        from service.readiness import Failed, Ready
        from service.server import Server
        from trimtab.commands.console import hide_loading_bars

        configure_logs(settings.log_format, settings.log_level)
        hide_loading_bars()
    leave_cores_to_engines()
    failures: list[ServiceError] = []

    def changed(state: State) -> None:
        match state:
            case Ready(generation, spent_s=spent_s):
                keep_for_good()
                spent = told({**watch.spent_s, **spent_s}, process_age_s())
                typer.echo(_summary(generation, listener, spent))
                logger.info("Ready: %s at %s.", generation.loaded.name, _url(listener))
            case Failed(error):
                failures.append(error)
                server.should_exit = True

    server = Server(create_app(settings, changed))
    server.run(sockets=[listener])
    if failures:
        raise failures[0]
    typer.echo("Stopped.")


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; raise ListenError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ListenError(
                f"Port {port} on {host} is taken. Stop what listens there, "
                "or choose another with --port (0 takes a free one)."
            ) from error
        raise ListenError(
            f"Cannot listen on {host}, port {port}: {error.strerror}. Change --host or --port."
        ) from error


def _summary(generation: Generation, listener: socket.socket, spent: str) -> str:
    from vectors.names import shortened

    loaded = generation.loaded
    model = loaded.model
    references = ", ".join(stored.reference for stored in loaded.vectors.values())
    policies = ", ".join(
        f"{name} (default)" if name == loaded.policies.default else name for name in loaded.policies.named
    )
    return "\n".join(
        (
            f"  model     {loaded.name} ({shortened(model.fingerprint)}) on {model.device}",
            f"  vectors   {references or 'none'}",
            f"  policies  {policies}",
            f"  started   in {spent}",
            f"  ready at  {_url(listener)} (describes itself at /docs)",
        )
    )


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
