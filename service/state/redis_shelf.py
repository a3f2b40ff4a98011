"""The shelf of all replicas on one Redis.

Entry point: `RedisShelf`.
"""

from collections.abc import Mapping, Sequence
from typing import Final, cast

from service.state.redis_client import KEY_PREFIX, RedisClient, reached
from service.state.shelf import ShelfEntry

_REVISION_KEY: Final = f"{KEY_PREFIX}shelf:revision"
_LATEST_KEY: Final = f"{KEY_PREFIX}shelf:latest"
_ENTRIES_KEY: Final = f"{KEY_PREFIX}shelf:entries"
_POLICIES_KEY: Final = f"{KEY_PREFIX}shelf:policies"


class RedisShelf:
    """A `shelf.Shelf` in Redis."""

    def __init__(self, client: RedisClient) -> None:
        self._commands = client.commands
        self._publish = client.step("shelf", "shelf_publish", durable=True)
        self._retire = client.step("shelf", "shelf_retire", durable=True)
        self._record = client.step("shelf", "shelf_record", durable=True)
        self._bump = client.step("shelf", "shelf_bump", durable=True)
        self._keys = [_REVISION_KEY, _LATEST_KEY, _ENTRIES_KEY, _POLICIES_KEY]

    def revision(self) -> int:
        """Return a number that grows with every change: about the milliseconds since 1970 at the last one."""
        return self._number(_REVISION_KEY)

    def publish(self, name: str, digest: str, above: int = 0) -> int:
        """Publish a vector as the next version of its name, and return the version."""
        return int(self._publish(self._keys, [name, digest, above]))

    def retire(self, name: str, version: int | None = None) -> None:
        """Retire that version of a name, or all of them."""
        self._retire(self._keys, [name] if version is None else [name, version])

    def record(self, entries: Sequence[ShelfEntry]) -> None:
        """Have these on the shelf with the versions that they have."""
        self._record(
            self._keys,
            [
                part
                for entry in entries
                for part in (entry.name, entry.version, entry.digest, entry.published_s, int(entry.retired))
            ],
        )

    def entries(self) -> Sequence[ShelfEntry]:
        """Return all that was published, by name and version."""
        with reached():
            kept = cast(Mapping[str, str], self._commands.hgetall(_ENTRIES_KEY))
        entries = [_entry(field, text) for field, text in kept.items()]
        return sorted(entries, key=lambda entry: (entry.name, entry.version))

    def bump(self) -> int:
        """Return the revision after one more change."""
        return int(self._bump(self._keys, []))

    def policies_revision(self) -> int:
        """Return the revision of the last bump."""
        return self._number(_POLICIES_KEY)

    def _number(self, key: str) -> int:
        with reached():
            number = cast(str | None, self._commands.get(key))
        return int(number or 0)


def _entry(field: str, text: str) -> ShelfEntry:
    name, _, version = field.rpartition("@")
    digest, published_s, retired = text.split(" ")
    return ShelfEntry(name, int(version), digest, retired == "1", float(published_s))
