"""The chain: lines of canonical JSON, each with its number, the digest of the line before, and its own.

Entry points: `Head`, `chained`, which writes the next line, and `read_line`, which reads one.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from service.errors import AuditLogError

FORMAT_VERSION: Final = 1

_HEAD: Final = re.compile(r"(0|[1-9][0-9]{0,17}):(sha256:[0-9a-f]{64})")


@dataclass(frozen=True)
class Head:
    """The last line of a chain: how many lines there are with it, and its digest. It stands for all before it."""

    sequence: int
    digest: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` writes; raises AuditLogError."""
        found = _HEAD.fullmatch(text)
        if found is None:
            raise AuditLogError(
                f"{text!r:.100} is no head of an audit log.",
                value=text,
                cure="Give what 'trimtab audit verify' printed, such as 12:sha256:3f0c...",
            )
        return cls(int(found[1]), found[2])

    def __str__(self) -> str:
        return f"{self.sequence}:{self.digest}"


def genesis(chain: str) -> Head:
    """Return the head of an empty chain of this name: the first line of another chain does not follow it."""
    return Head(0, _digest(f"trimtab audit log {chain}"))


@dataclass(frozen=True)
class Line:
    """One line, read and sound in itself."""

    chain: str
    """The name of its chain: the replica that wrote it."""
    head: Head
    """The chain's head once it is written."""
    previous: str
    """The digest of the line before."""
    content: Mapping[str, Any]
    """What it says: its `kind`, and what that has."""


class UnsoundLineError(Exception):
    """A line that is not as it was written; the text says why."""


def chained(chain: str, head: Head, content: Mapping[str, Any]) -> tuple[str, Head]:
    """Return the line that says this after the head, without a line break, and the head that it makes."""
    body = {
        "format_version": FORMAT_VERSION,
        "chain": chain,
        "sequence": head.sequence + 1,
        "previous": head.digest,
        **content,
    }
    digest = _digest(canonical(body))
    return canonical({**body, "digest": digest}), Head(head.sequence + 1, digest)


def read_line(text: str) -> Line:
    """Return what a line says; raises UnsoundLineError where it is not, byte by byte, what `chained` wrote."""
    try:
        body: dict[str, Any] = json.loads(text)
        given = body.pop("digest")
        chain, sequence, previous = body.pop("chain"), body.pop("sequence"), body.pop("previous")
        version = body.pop("format_version")
    except (ValueError, RecursionError, KeyError, AttributeError, TypeError):
        raise UnsoundLineError("it is no line of an audit log") from None
    if version != FORMAT_VERSION:
        raise UnsoundLineError(f"its format version is {version!r:.20}, and {FORMAT_VERSION} is read here")
    if not isinstance(chain, str) or type(sequence) is not int or not isinstance(previous, str):
        raise UnsoundLineError("it has no place in a chain")
    try:
        written, head = chained(chain, Head(sequence - 1, previous), body)
    except ValueError:  # NaN and the like, which Python alone reads
        raise UnsoundLineError("it is not the JSON that is written here") from None
    if given != head.digest:
        raise UnsoundLineError("its content is not what its digest is of")
    if text != written:
        raise UnsoundLineError("it is not spelled as it was written")
    return Line(chain, head, previous, body)


def canonical(content: object) -> str:
    """Return the one spelling of JSON: ASCII, keys in order, no spaces, so that it is one line in any terminal."""
    return json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False)


def text_digest(text: str) -> str:
    """Return the SHA-256 of a text, as it stands for the text where that is not kept."""
    return _digest(text)


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
