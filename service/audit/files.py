"""The files of one chain: the one that is written, at the configured path, and those that were full before it.

Entry points: `full_files`, `next_full`, `chain_files`, `last_line`. A full audit.jsonl is renamed to
audit.000001.jsonl, the next one to audit.000002.jsonl, and so on: they sort by age, and nothing ever writes to them
again.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_FULL: Final = re.compile(r"(?P<stem>.+)\.(?P<number>[0-9]{6,9})")
_BLOCK_BYTES: Final = 64 * 1024


def full_files(path: Path) -> Sequence[Path]:
    """Return the full files before the one at `path`, oldest first."""
    numbered = []
    for file in path.parent.glob(f"*{path.suffix}"):
        found = _FULL.fullmatch(file.name.removesuffix(path.suffix))
        if found is not None and found["stem"] == path.name.removesuffix(path.suffix):
            numbered.append((int(found["number"]), file))
    return [file for _, file in sorted(numbered)]


def next_full(path: Path) -> Path:
    """Return what the file at `path` is renamed to when it is full."""
    full = full_files(path)
    last = 0
    if full:
        found = _FULL.fullmatch(full[-1].name.removesuffix(path.suffix))
        assert found is not None, "full_files has matched it"
        last = int(found["number"])
    return path.with_name(f"{path.name.removesuffix(path.suffix)}.{last + 1:06d}{path.suffix}")


def chain_files(path: Path) -> Sequence[Path]:
    """Return all files of the chain, oldest first."""
    return [*full_files(path), *([path] if path.exists() else [])]


def written_path(file: Path) -> Path:
    """Return the path that the chain of a file is written at: a full file's is the one without its number."""
    found = _FULL.fullmatch(file.name.removesuffix(file.suffix))
    return file if found is None else file.with_name(f"{found['stem']}{file.suffix}")


def last_line(file: Path) -> tuple[bytes, int]:
    """Return the last whole line of a file without its break, and how many bytes follow it: of one that was cut off.

    The line is empty where there is none.
    """
    with file.open("rb") as opened:
        opened.seek(0, os.SEEK_END)
        start = size = opened.tell()
        tail = b""
        # Of the two last breaks, the line between them; without a first one the file's beginning.
        while start > 0 and tail.count(b"\n") < 2:
            start = max(0, start - _BLOCK_BYTES)
            opened.seek(start)
            tail = opened.read(size - start)
    whole, found, rest = tail.rpartition(b"\n")
    if not found:
        return b"", len(rest)
    return whole.rpartition(b"\n")[2], len(rest)
