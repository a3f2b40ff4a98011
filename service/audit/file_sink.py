"""A chain in files: only ever appended to, kept on the disk before an answer leaves, written by one process at a time.

Entry point: `FileSink`.
"""

import fcntl
import logging
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from service.audit.chain import Head, UnsoundLineError, chained, genesis, read_line
from service.audit.files import full_files, last_line, next_full
from service.errors import AuditLogError, AuditUnavailableError

logger = logging.getLogger(__name__)

_MODE: Final = 0o600
"""Whoever may read the service's prompts is its owner's to say."""


class FileSink:
    """One chain, at a path. With `is_synced` every line is on the disk (fdatasync) before `append` returns.

    The file is locked (flock) for as long as it is open, so that a second process cannot fork the chain. A line that
    could be written in part only is taken back; what a process that ended left of one is too, when it is opened again.
    """

    def __init__(self, path: Path, chain: str, *, max_bytes: int, is_synced: bool = True) -> None:
        self._path, self._chain = path.absolute(), chain
        self._max_bytes, self._is_synced = max_bytes, is_synced
        self._descriptor: int | None = None
        self._head = genesis(chain)
        self._size = 0
        self.cut_off_bytes = 0
        """What was left of a line that a process did not finish, when the file was opened."""

    def open(self) -> Head:
        """Lock the file and find the end of the chain; raises AuditLogError."""
        if self._descriptor is not None:
            return self._head
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
        except OSError as error:
            raise AuditLogError(
                f"The audit log {self._path} cannot be opened: {error.strerror}.",
                value=str(self._path),
                cure="Set audit_log to a file in a folder that exists and that the service may write to.",
            ) from error
        try:
            self._lock(descriptor)
            self._head, self.cut_off_bytes = self._end(descriptor)
            if self.cut_off_bytes:
                self._size = os.fstat(descriptor).st_size - self.cut_off_bytes
                os.ftruncate(descriptor, self._size)
                logger.warning("The audit log ended within a line: %d bytes are dropped.", self.cut_off_bytes)
            self._size = os.fstat(descriptor).st_size
            _sync_folder(self._path.parent)
        except OSError as error:
            os.close(descriptor)
            raise AuditLogError(
                f"The audit log {self._path} cannot be read: {error.strerror}.",
                value=str(self._path),
                cure="Let the service's user read and write it.",
            ) from error
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return self._head

    def append(self, contents: Sequence[Mapping[str, Any]]) -> Head:
        """Write one line for each, all or none; raises AuditUnavailableError."""
        try:
            self.open()
            self._check_untouched()
            if self._size >= self._max_bytes:
                self._rotate()
            head, lines = self._head, []
            for content in contents:
                text, head = chained(self._chain, head, content)
                lines.append(f"{text}\n")
            self._write("".join(lines).encode("ascii"))
        except (OSError, AuditLogError) as error:
            why = error.problem if isinstance(error, AuditLogError) else f"{self._path}: {error.strerror}."
            raise AuditUnavailableError(why) from error
        self._head = head
        return head

    def close(self) -> None:
        """Unlock the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, data: bytes) -> None:
        assert self._descriptor is not None, "it was opened"
        try:
            written = 0
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
            if self._is_synced and self._is_regular:
                os.fdatasync(self._descriptor)
        except OSError:
            self._take_back()
            raise
        if self._is_regular:
            self._size += len(data)

    def _take_back(self) -> None:
        """Leave nothing of lines that could not be written; where even that fails, open the file anew."""
        try:
            if self._is_regular and self._descriptor is not None:
                os.ftruncate(self._descriptor, self._size)
        except OSError:
            self.close()

    def _check_untouched(self) -> None:
        """Raise AuditLogError where the file is not the one that was opened, or not as it was left."""
        assert self._descriptor is not None, "it was opened"
        if not self._is_regular:
            return
        ours = os.fstat(self._descriptor)
        try:
            there: os.stat_result | None = os.stat(self._path)
        except FileNotFoundError:
            there = None
        is_ours = there is not None and (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
        if not is_ours or ours.st_size != self._size:
            what = "was changed" if is_ours else "was moved, removed or replaced"
            raise AuditLogError(
                f"The audit log {self._path} {what} by something else than this service.",
                value=str(self._path),
                cure="Put it back, see what 'trimtab audit verify' says, and restart the service.",
            )

    def _rotate(self) -> None:
        """Rename the full file and begin the next one, which is locked before it can be seen."""
        assert self._descriptor is not None, "it was opened"
        beginning = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        beginning.unlink(missing_ok=True)
        descriptor = os.open(beginning, flags, _MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            full = next_full(self._path)
            os.rename(self._path, full)
            self._begin(beginning, full)
        except BaseException:
            os.close(descriptor)
            raise
        finally:
            beginning.unlink(missing_ok=True)
        _sync_folder(self._path.parent)
        os.close(self._descriptor)
        self._descriptor, self._size = descriptor, 0

    def _begin(self, beginning: Path, full: Path) -> None:
        """Put the next file in the full one's place; where that cannot be, the full one is back there."""
        try:
            # A link, unlike a rename, fails where another process has begun a file there meanwhile.
            os.link(beginning, self._path)
        except FileExistsError:
            raise
        except OSError:
            os.rename(full, self._path)
            raise

    def _lock(self, descriptor: int) -> None:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return  # a device holds no chain that could be forked
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AuditLogError(
                f"Another process writes the audit log {self._path}.",
                value=str(self._path),
                cure="Each process has a chain of its own: give it another audit_log, such as one with {replica} in "
                "its name, or end the other.",
            ) from error

    def _end(self, descriptor: int) -> tuple[Head, int]:
        """Return the chain's head, and how many bytes of a line that was cut off follow it."""
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return genesis(self._chain), 0
        line, cut_off = last_line(self._path)
        if not line and (full := full_files(self._path)):
            line, _ = last_line(full[-1])
        if not line:
            return genesis(self._chain), cut_off
        try:
            last = read_line(line.decode("ascii"))
        except (UnsoundLineError, UnicodeDecodeError) as error:
            raise AuditLogError(
                f"The last line of the audit log {self._path} cannot be carried on: {error}.",
                value=str(self._path),
                cure="See what 'trimtab audit verify' says; keep the file, and set audit_log to another one.",
            ) from error
        if last.chain != self._chain:
            raise AuditLogError(
                f"The audit log {self._path} is the chain of {last.chain!r:.100}, and this is {self._chain!r}.",
                value=str(self._path),
                cure="Set audit_replica to that name, or audit_log to another file, such as one with {replica} in it.",
            )
        return last.head, cut_off

    @property
    def _is_regular(self) -> bool:
        assert self._descriptor is not None, "it was opened"
        return stat.S_ISREG(os.fstat(self._descriptor).st_mode)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
