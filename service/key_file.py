"""The file of keys: read whole, changed by one process at a time, never half written.

Entry points: `read_keys`, `changed_keys`.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from service.errors import KeyFileError
from service.key_records import KeyRecord


class _KeyFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    format_version: Literal[1] = 1
    keys: tuple[KeyRecord, ...] = ()


def read_keys(file: Path) -> dict[str, KeyRecord]:
    """Return the keys by their ids; raises KeyFileError where the file is not there, or is no file of keys."""
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        cure = "Make it with 'trimtab keys create --tenant NAME', or set keys to the right one."
        raise _error(file, f"There is no key file {file}.", cure) from error
    except OSError as error:
        why = f"The key file {file} cannot be read: {error.strerror}."
        raise _error(file, why, "Let the service's user read it.") from error
    try:
        records = _KeyFile.model_validate_json(content).keys
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in problem["loc"])
        raise _unsound(file, f"{place}: {problem['msg']}" if place else problem["msg"]) from None
    keys = {record.id: record for record in records}
    if len(keys) < len(records):
        raise _unsound(file, "two keys have one id")
    return keys


@contextmanager
def changed_keys(file: Path) -> Iterator[dict[str, KeyRecord]]:
    """Yield the keys by their ids, to be changed, and write them; where an error is raised nothing is written.

    A file that is not there has no keys, and is made. Who else wants to change it waits. It is replaced as a whole, so
    that a service reads the old keys or the new ones, and only its owner may read it. Raises KeyFileError.
    """
    file = file.resolve()
    try:
        with _locked(file.with_name(f"{file.name}.lock")):
            keys = read_keys(file) if file.exists() else {}
            yield keys
            _write(file, keys)
    except OSError as error:
        problem = f"The key file {file} cannot be written: {error.strerror}."
        raise _error(file, problem, "Give a folder that exists and that you may write to.") from error


@contextmanager
def _locked(lock: Path) -> Iterator[None]:
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(file: Path, keys: Mapping[str, KeyRecord]) -> None:
    text = _KeyFile(keys=tuple(keys.values())).model_dump_json(indent=2)
    # mkstemp's files are their owner's alone: 0600.
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8") as written:
            written.write(f"{text}\n")
            written.flush()
            _keep_owner(file, written.fileno())
            os.fsync(written.fileno())
        os.replace(temporary, file)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(file.parent)


def _keep_owner(file: Path, descriptor: int) -> None:
    """Give the new file the old one's owner where root changes a service's keys: the service is to read them."""
    if os.geteuid() == 0 and file.exists():
        owner = file.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unsound(file: Path, problem: str) -> KeyFileError:
    cure = "Put back what 'trimtab keys' wrote, or make another file with it."
    return _error(file, f"{file} is no file of keys: {problem}.", cure)


def _error(file: Path, problem: str, cure: str) -> KeyFileError:
    return KeyFileError(problem, value=str(file), cure=cure)
