"""The service's side of the audit log: every image has its line before its answer leaves.

Entry points: `AuditLog`, one of an app, and `open_audit_log`.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final

from service.audit.file_sink import FileSink
from service.audit.place import REDIS, log_path, replica_of
from service.audit.record import GapEntry, ImageEntry, WithdrawnEntry
from service.audit.sink import Sink
from service.errors import AuditLogError, AuditUnavailableError
from service.settings import Settings

logger = logging.getLogger(__name__)

TRIED_AGAIN_EVERY_S: Final = 1.0
"""How often a log that could not be written is tried."""


class AuditLog:
    """Writes lines in order, on a thread of its own.

    Where a line cannot be written, `record` and `check` raise AuditUnavailableError until one can be again, which is
    tried with a line that says from when to when there was none. With `is_required` off nothing is raised, and that
    line says how many images are missing.
    """

    def __init__(
        self, sink: Sink, *, is_required: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sink, self._is_required, self._clock = sink, is_required, clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="trimtab-audit")
        self._broken: AuditUnavailableError | None = None
        self._since = datetime.now(UTC)
        self._tried_s = 0.0
        self._unrecorded = 0

    async def open(self) -> None:
        """Find the end of the log; raises AuditLogError where it cannot be carried on, unless it is not required."""
        await self._on_thread(self._open)

    async def check(self) -> None:
        """Raise AuditUnavailableError where lines cannot be written, before work is done that would be for nothing."""
        if self._broken is not None:
            await self._on_thread(self._mend)

    async def record(self, entries: Sequence[ImageEntry]) -> None:
        """Write the lines of one request's images, all or none; raises AuditUnavailableError."""
        if entries:
            await self._on_thread(self._record, entries)

    async def withdraw(self, entries: Sequence[ImageEntry]) -> None:
        """Say of images whose lines are written that nobody got them; where that cannot be written it is let go."""
        if not entries:
            return
        withdrawn = WithdrawnEntry(
            time=datetime.now(UTC), request=entries[0].request, attempt=entries[0].attempt
        )
        try:
            await self._on_thread(self._write, [withdrawn.content()])
        except AuditUnavailableError:
            logger.warning(
                "The lines of request %s, attempt %d, stand.", withdrawn.request, withdrawn.attempt
            )

    def close(self) -> None:
        """Write what is under way, and let go of the log."""
        self._thread.shutdown()
        self._sink.close()

    async def _on_thread(self, call: Callable[..., None], *args: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, call, *args)

    def _open(self) -> None:
        try:
            head = self._sink.open()
        except AuditLogError as error:
            if self._is_required:
                raise
            logger.error("Images are served that are not in the audit log: %s", error)
            self._break(AuditUnavailableError(error.problem))
            return
        logger.info("The audit log goes on after %s.", head)
        if isinstance(self._sink, FileSink) and self._sink.cut_off_bytes:
            reason = f"a process ended within a line: {self._sink.cut_off_bytes} bytes are dropped"
            self._write([GapEntry(time=datetime.now(UTC), reason=reason, unrecorded_images=0).content()])

    def _record(self, entries: Sequence[ImageEntry]) -> None:
        try:
            self._mend()
            if self._broken is None:
                self._write([entry.content() for entry in entries])
        except AuditUnavailableError:
            if self._is_required:
                raise
        if self._broken is not None:
            self._unrecorded += len(entries)

    def _mend(self) -> None:
        """Say that there was no log, where there was none and there is one again; raise where there still is none."""
        if self._broken is None:
            return
        if self._clock() - self._tried_s >= TRIED_AGAIN_EVERY_S:
            gap = GapEntry(
                time=datetime.now(UTC),
                since=self._since,
                reason=self._broken.why,
                unrecorded_images=self._unrecorded,
            )
            try:
                self._write([gap.content()])
            except AuditUnavailableError:
                pass
            else:
                logger.warning("The audit log is written again; %d images are not in it.", self._unrecorded)
                self._broken, self._unrecorded = None, 0
        if self._broken is not None and self._is_required:
            raise self._broken

    def _write(self, contents: Sequence[Mapping[str, Any]]) -> None:
        try:
            self._sink.append(contents)
        except AuditUnavailableError as error:
            self._break(error)
            raise

    def _break(self, error: AuditUnavailableError) -> None:
        self._tried_s = self._clock()
        if self._broken is None:
            self._since = datetime.now(UTC)
            logger.error("The audit log cannot be written: %s", error.why)
        self._broken = error


def open_audit_log(settings: Settings) -> AuditLog | None:
    """Return the log that the settings name, not yet opened; None where they name none."""
    if settings.audit_log is None:
        return None
    if settings.audit_log == REDIS:
        from service.audit.redis_sink import RedisSink

        assert settings.redis_url is not None, "the settings have seen to it"
        sink: Sink = RedisSink(settings.redis_url.get_secret_value())
    else:
        replica = replica_of(settings)
        sink = FileSink(
            log_path(settings.audit_log, replica),
            replica,
            max_bytes=settings.audit_max_file_bytes,
            is_synced=settings.audit_fsync,
        )
    return AuditLog(sink, is_required=settings.audit_required)
