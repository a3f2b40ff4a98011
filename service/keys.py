"""The ring of all keys, as their file says now.

Entry point: `KeyRing`. Of a key that was sent nothing is kept, logged or repeated but the id of one that was right.
"""

import logging
import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from service.errors import EndedKeyError, KeyFileError, UnknownKeyError
from service.key_file import read_keys
from service.key_records import KeyRecord, SaltedHash, parted

logger = logging.getLogger(__name__)

_Mark: TypeAlias = tuple[int, int, int, int] | None


class KeyRing:
    """Finds the holder of a key. The file is looked at with every key that is sent, and read again once it changed.

    Where it cannot be read any more, the keys that were read last stay in force, and the log says so.
    """

    def __init__(self, file: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Read the file; raises KeyFileError."""
        self._file = file
        self._now = now
        self._mark = _mark(file)
        self._keys = read_keys(file)
        self._nobody = SaltedHash.of(secrets.token_hex())

    def holder(self, key: str) -> KeyRecord:
        """Return the record of a key as it was sent.

        Raises UnknownKeyError, which takes the same time for an unknown id and for a wrong secret, and EndedKeyError
        for a right key that is expired or revoked.
        """
        self._look()
        key_id, secret = parted(key)
        record, now = self._keys.get(key_id), self._now()
        opens = self._nobody.matches(secret) if record is None else record.opens_with(secret, now)
        if record is None or not opens:
            raise UnknownKeyError(
                "There is no such key.",
                cure="Send all of one that 'trimtab keys create' has shown: trimtab_, its id, _ and its secret.",
            )
        state = record.state(now)
        if state != "live":
            raise EndedKeyError(
                f"The key {record.id} is {state}.", value=record.id, cure="Ask for a new one to be created."
            )
        return record

    def _look(self) -> None:
        """Read the file again where it is another one, or was written to."""
        mark = _mark(self._file)
        if mark == self._mark:
            return
        self._mark = mark
        try:
            self._keys = read_keys(self._file)
        except KeyFileError as error:
            logger.error("%s Until then the keys that were read before stay in force.", error)
        else:
            logger.info("Read %d keys from %s.", len(self._keys), self._file)


def _mark(file: Path) -> _Mark:
    """Return what differs once a file is replaced or written to; None where there is none."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
