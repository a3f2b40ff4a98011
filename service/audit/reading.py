"""Reading an audit log: its chains, line by line, each with its place.

Entry points: `open_chains`, `Chain`, `Placed`.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from service.audit.files import full_files, written_path
from service.audit.place import REDIS, REPLICA
from service.errors import AuditLogError, StateUnavailableError
from service.settings import Settings


@dataclass(frozen=True)
class Placed:
    """One line as it stands there."""

    place: str
    """The file and the line's number in it, or the stream's entry."""
    text: str
    is_whole: bool = True
    """Whether a line break ends it."""


@dataclass(frozen=True)
class Chain:
    """One chain, in files or a stream."""

    where: str
    lines: Callable[[], Iterator[Placed]]
    """Reads them anew, oldest first."""


def open_chains(given: str | None, settings: Settings) -> list[Chain]:
    """Return the chains of a log: of a file and those that were full before it, of a folder, or of redis.

    None is the configured log. Raises AuditLogError where there is none.
    """
    where = settings.audit_log if given is None else given
    if where is None:
        raise AuditLogError(
            "No audit log is configured.",
            cure="Name its file, its folder or redis; or name the configuration with --config.",
        )
    if where == REDIS:
        if settings.redis_url is None:
            raise AuditLogError(
                "No Redis is configured.", cure="Set TRIMTAB_REDIS_URL, or redis_url in the --config file."
            )
        url = settings.redis_url.get_secret_value()
        return [Chain("redis", lambda: _stream_lines(url))]
    paths = _written_paths(Path(where))
    if not paths:
        raise AuditLogError(
            f"There is no audit log at {where}.", value=where, cure="Name its file, its folder or redis."
        )
    return [_file_chain(path) for path in paths]


def _file_chain(path: Path) -> Chain:
    return Chain(str(path), lambda: _file_lines(path))


def _written_paths(given: Path) -> list[Path]:
    """Return the paths that the chains at a path, a folder, or a path with {replica}, are written at."""
    if REPLICA in given.name:
        found = given.parent.glob(given.name.replace(REPLICA, "*"))
    elif given.is_dir():
        found = given.glob("*.jsonl")
    else:
        path = written_path(given)
        return [path] if given.exists() or full_files(path) else []
    # A full file whose successor is gone is a chain's all the same.
    return sorted({written_path(file) for file in found if not file.name.startswith(".")})


def _file_lines(path: Path) -> Iterator[Placed]:
    # Opened before the full ones are listed: a file that gets full meanwhile is read once, and none is left out.
    try:
        last = path.open("rb") if path.exists() else None
    except OSError as error:
        raise _unreadable(path, error) from error
    own = None if last is None else os.fstat(last.fileno()).st_ino
    try:
        for file in full_files(path):
            if file.stat().st_ino == own:
                continue
            with file.open("rb") as opened:
                yield from _placed(file.name, opened)
        if last is not None:
            yield from _placed(path.name, last)
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        if last is not None:
            last.close()


def _placed(name: str, lines: Iterator[bytes]) -> Iterator[Placed]:
    for number, line in enumerate(lines, 1):
        text = line.decode("utf-8", "backslashreplace")
        yield Placed(f"{name}:{number}", text.removesuffix("\n"), text.endswith("\n"))


def _stream_lines(url: str) -> Iterator[Placed]:
    from service.state.redis_audit import AUDIT_STREAM, RedisAuditStream

    stream = RedisAuditStream(url)
    try:
        for id, text in stream.lines():
            yield Placed(f"{AUDIT_STREAM}:{id}", text)
    except StateUnavailableError as error:
        raise AuditLogError(
            "The audit log's Redis cannot be reached.", cure="See that redis_url is right and that it runs."
        ) from error
    finally:
        stream.close()


def _unreadable(path: Path, error: OSError) -> AuditLogError:
    return AuditLogError(
        f"The audit log {path} cannot be read: {error.strerror}.",
        value=str(path),
        cure="Run this as a user who may read it.",
    )
