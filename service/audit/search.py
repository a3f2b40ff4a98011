"""Finding images in an audit log.

Entry points: `Wanted`, `search`, and `Found`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from service.audit.chain import UnsoundLineError, read_line
from service.audit.reading import Chain
from service.audit.record import GapEntry, ImageEntry, WithdrawnEntry, read_entry


@dataclass(frozen=True)
class Wanted:
    """Which images; None is any."""

    since: datetime | None = None
    until: datetime | None = None
    """The first moment that is too late."""
    tenant: str | None = None
    concept: str | None = None
    """One that was added, or whose words were."""
    policy: str | None = None
    """A policy's or a floor's name, or the beginning of its digest."""
    request: str | None = None
    """A request's id, or the beginning of one."""
    screen: str | None = None
    """A screen's outcome; "none" where nobody looked."""
    outcome: str | None = None
    """served or withheld."""
    image_digest: str | None = None

    def wants(self, entry: ImageEntry) -> bool:
        """Whether this image is one of them."""
        screen = "none" if entry.screen is None else entry.screen.outcome
        concepts = [
            *(one.concept for one in entry.applied),
            *(one.concept for one in entry.averted),
        ]
        return (
            (self.since is None or entry.time >= self.since)
            and (self.until is None or entry.time < self.until)
            and self.tenant in (None, entry.tenant)
            and (self.concept is None or self.concept in concepts)
            and (self.policy is None or _is_policy(entry, self.policy))
            and (self.request is None or entry.request.startswith(self.request))
            and self.screen in (None, screen)
            and self.outcome in (None, entry.outcome)
            and self.image_digest in (None, entry.image_digest)
        )


@dataclass(frozen=True)
class Found:
    """What a search found."""

    images: tuple[ImageEntry, ...]
    """In the order of the log; of several chains one after another."""
    superseded: tuple[ImageEntry, ...]
    """Lines of the same images that nobody got: an earlier try of a job, or one that came too late."""
    gaps: tuple[GapEntry, ...]
    """When the log could not be written."""
    unread: int
    """Lines that cannot be read: `verify` says more."""


def search(chains: Iterable[Chain], wanted: Wanted) -> Found:
    """Return the images that are wanted, each once, whatever was tried for it; raises AuditLogError."""
    images: list[ImageEntry] = []
    gaps: list[GapEntry] = []
    withdrawn: set[tuple[str, int]] = set()
    attempts: dict[str, set[int]] = {}
    unread = 0
    for chain in chains:
        for placed in chain.lines():
            try:
                entry = read_entry(read_line(placed.text).content)
            except (UnsoundLineError, ValidationError):
                unread += 1
                continue
            match entry:
                case ImageEntry():
                    if entry.attempt > 1:
                        attempts.setdefault(entry.request, set()).add(entry.attempt)
                    if wanted.wants(entry):
                        images.append(entry)
                case WithdrawnEntry():
                    withdrawn.add((entry.request, entry.attempt))
                case GapEntry():
                    gaps.append(entry)

    def is_given(entry: ImageEntry) -> bool:
        """Whether a client could have got it: jobs end once, with the last attempt that was not withdrawn."""
        if (entry.request, entry.attempt) in withdrawn:
            return False
        others = attempts.get(entry.request, set())
        return not any(other > entry.attempt and (entry.request, other) not in withdrawn for other in others)

    return Found(
        tuple(entry for entry in images if is_given(entry)),
        tuple(entry for entry in images if not is_given(entry)),
        tuple(gaps),
        unread,
    )


def _is_policy(entry: ImageEntry, wanted: str) -> bool:
    if wanted in (entry.policy, entry.floor):
        return True
    digests = [digest for digest in (entry.policy_digest, entry.floor_digest) if digest is not None]
    return len(wanted) >= len("sha256:") + 8 and any(digest.startswith(wanted) for digest in digests)
