"""The streams of the audit log in Redis, as plain text: what the lines say is `service.audit`'s.

Entry points: `RedisAuditStream`, `AUDIT_STREAM`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

from service.state.redis_client import KEY_PREFIX, RedisClient, reached

AUDIT_STREAM: Final = f"{KEY_PREFIX}audit"

_READ_AT_ONCE: Final = 500


class RedisAuditStream:
    """One stream that all replicas append to; an entry's id is the line's sequence, so that none comes twice.

    Every call raises StateUnavailableError where Redis cannot be reached.
    """

    def __init__(self, url: str) -> None:
        """Take an address as `address.parse_address` reads it."""
        self._client = RedisClient(url)
        self._append = self._client.step("audit_append", durable=True)

    def append(self, sequence: int, digest: str, lines: Sequence[tuple[str, str]]) -> bool:
        """Append texts with their digests, all or none, where the stream ends with this line; return whether it did."""
        said = [part for line in lines for part in line]
        is_appended, _ = self._append([AUDIT_STREAM], [sequence, digest, *said])
        return bool(is_appended)

    def last(self) -> str | None:
        """Return the last line; None for an empty stream."""
        with reached():
            entries: Any = self._client.commands.xrevrange(AUDIT_STREAM, count=1)
        return None if not entries else cast(str, entries[0][1]["line"])

    def line(self, sequence: int) -> str | None:
        """Return the line of this sequence; None where there is none."""
        id = f"{sequence}-0"
        with reached():
            entries: Any = self._client.commands.xrange(AUDIT_STREAM, id, id)
        return None if not entries else cast(str, entries[0][1].get("line", ""))

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield the ids and the lines of all entries, in order; an entry without a line has an empty one."""
        after = "-"
        while True:
            with reached():
                entries: Any = self._client.commands.xrange(AUDIT_STREAM, after, "+", count=_READ_AT_ONCE)
            for id, fields in entries:
                yield id, fields.get("line", "")
            if len(entries) < _READ_AT_ONCE:
                return
            after = f"({entries[-1][0]}"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
