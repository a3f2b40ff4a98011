"""The chain in Redis: one stream, to which all replicas append by comparing its end with the one they know.

Entry points: `RedisSink`, `SHARED_CHAIN`.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from service.audit.chain import Head, UnsoundLineError, chained, genesis, read_line
from service.audit.record import GapEntry
from service.errors import AuditLogError, AuditUnavailableError, StateUnavailableError
from service.state.redis_audit import RedisAuditStream

logger = logging.getLogger(__name__)

SHARED_CHAIN: Final = "redis"
"""The chain's name: it is nobody's own."""

_TRIES: Final = 50
"""Each time another replica was quicker."""


class RedisSink:
    """One chain of all replicas, so that its head stands for every image of every one of them.

    Redis compares the end of the stream and appends in one step: whoever knew an older end is refused, reads the new
    one and tries again. A call whose answer was lost is not repeated blindly: its line is looked for first. Where a
    line that was there is there no more (a Redis that came back without its data, or whose replica had not heard of
    it), a gap says so before anything else.
    """

    def __init__(self, url: str) -> None:
        """Take an address as `service.state.address.parse_address` reads it; nothing is connected yet."""
        self._stream = RedisAuditStream(url)
        self._head: Head | None = None
        self._kept: Head | None = None
        """The last head that was seen in the stream: nothing takes it away but the loss of lines."""

    def open(self) -> Head:
        """Read the end of the chain; raises AuditLogError."""
        try:
            self._head = self._kept = self._read_head()
        except StateUnavailableError as error:
            raise AuditLogError(
                "The audit log's Redis cannot be reached.",
                cure="See that redis_url is right and that it runs.",
            ) from error
        return self._head

    def append(self, contents: Sequence[Mapping[str, Any]]) -> Head:
        """Write one line for each, all or none; raises AuditUnavailableError."""
        try:
            unanswered: list[Head] = []
            for _ in range(_TRIES):
                if (head := self._try(contents, unanswered)) is not None:
                    return head
        except StateUnavailableError as error:
            raise AuditUnavailableError("its Redis cannot be reached or takes nothing in.") from error
        except AuditLogError as error:
            raise AuditUnavailableError(error.problem) from error
        raise AuditUnavailableError(f"other replicas were quicker {_TRIES} times.")

    def close(self) -> None:
        """Close the connections."""
        self._stream.close()

    def _try(self, contents: Sequence[Mapping[str, Any]], unanswered: list[Head]) -> Head | None:
        """Append after the head that is known; None where it is another by now, or where no answer came."""
        before = self._head if self._head is not None else self._read_head()
        # Read after the head: whatever is carried out later than this makes the append below fail.
        for head in unanswered:
            if self._has(head):
                self._head, self._kept = None, head
                return head
        head, lines = before, []
        for content in (*self._lost(before), *contents):
            text, head = chained(SHARED_CHAIN, head, content)
            lines.append((text, head.digest))
        self._head = None
        try:
            is_appended = self._stream.append(before.sequence, before.digest, lines)
        except StateUnavailableError:
            if unanswered:
                raise
            logger.warning("The audit log's Redis did not answer: it is asked whether it has the lines.")
            unanswered.append(head)
            return None
        if not is_appended:
            return None
        self._head = self._kept = head
        return head

    def _lost(self, end: Head) -> list[Mapping[str, Any]]:
        """Return what is to be said of lines that were there and are not, now that the stream has this end."""
        kept = self._kept
        if kept is None or kept.sequence == 0 or kept == end or self._has(kept):
            return []
        logger.error("The audit log in Redis has lost lines: it had %s, and ends at %s.", kept, end)
        reason = f"the stream had {kept} and has it no more: it ended at line {end.sequence}"
        return [GapEntry(time=datetime.now(UTC), reason=reason, unrecorded_images=0).content()]

    def _has(self, head: Head) -> bool:
        """Return whether the stream has the line that makes this head."""
        text = self._stream.line(head.sequence)
        try:
            return text is not None and read_line(text).head == head
        except UnsoundLineError:
            return False

    def _read_head(self) -> Head:
        text = self._stream.last()
        if text is None:
            return genesis(SHARED_CHAIN)
        try:
            return read_line(text).head
        except UnsoundLineError as error:
            raise AuditLogError(
                f"The last line of the audit log in Redis cannot be carried on: {error}.",
                cure="See what 'trimtab audit verify' says; rename the stream trimtab:audit to keep it.",
            ) from error
