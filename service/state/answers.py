"""Answers that are given again: a key that a client sent twice is one request.

Entry points: `Answers` (the interface of the stores that keep them), `Begun` and its kinds.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

RUNNING_KEPT_S: Final = 30.0
"""What `Answers.running_kept_s` is where nobody chose."""

ANSWER_KEPT_S: Final = 24 * 3600.0
"""An answer is given again for this long."""


@dataclass(frozen=True)
class Fresh:
    """Nobody has begun it: it is the caller's to make, to renew, and to keep or forget."""

    token: str
    """By which the caller is known until then."""


@dataclass(frozen=True)
class Running:
    """The same request is being answered."""

    lapses_s: float
    """When whoever does so counts as gone, in seconds, unless it is heard again."""


@dataclass(frozen=True)
class Different:
    """The key was sent with another request."""


@dataclass(frozen=True)
class Kept:
    """The answer that the request was given."""

    status: int
    media_type: str
    headers: Mapping[str, str]
    body: bytes


Begun: TypeAlias = Fresh | Running | Different | Kept


class Answers(Protocol):
    """Keeps what requests with a key were answered, for the threads of all replicas.

    A key is the store's: whoever calls makes it of the tenant and what the client sent.
    """

    @property
    def running_kept_s(self) -> float:
        """A key whose request runs is free again this long after it was last renewed: its replica may be gone."""
        ...

    def begin(self, key: str, digest: str) -> Begun:
        """Return whose the request with this key is; `digest` is what tells it from another request."""
        ...

    def renew(self, key: str, token: str) -> None:
        """Keep it the caller's for another `running_kept_s`, unless another has begun it since."""
        ...

    def keep(self, key: str, token: str, answer: Kept) -> None:
        """Keep its answer for ANSWER_KEPT_S, unless another has begun it since."""
        ...

    def forget(self, key: str, token: str) -> None:
        """Let the next try be a fresh one, unless another has begun it since."""
        ...


def new_token(digest: str) -> str:
    """Return a token for whoever begins the request; it tells the digest, so that a store that forgot can be told."""
    return f"{uuid.uuid4().hex}:{digest}"


def digest_in(token: str) -> str:
    """Return the digest of the request that a token is of."""
    return token.partition(":")[2]
