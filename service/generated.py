"""What becomes of a request: its images, each with its record.

Entry points: `Generated`, `ProvenImage`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from PIL import Image

from service.audit.record import ImageEntry
from service.inscribing import Inscriber
from service.provenance import Provenance


@dataclass(frozen=True)
class ProvenImage:
    """One image, the record of how it came to be, its label in a grid, and the members drawn for it."""

    image: Image.Image | None
    """None where it is blocked; the record says by what."""
    record: Provenance
    label: str
    members: Mapping[str, str]
    """Concept set -> member."""
    inscriber: Inscriber = field(default_factory=Inscriber)
    """Who writes its file."""


@dataclass(frozen=True)
class Generated:
    """The images of one request, and how long it waited for the engine and ran in it, in seconds."""

    id: str
    model: str
    images: tuple[ProvenImage, ...]
    queue_s: float
    generate_s: float
    entries: tuple[ImageEntry, ...] = ()
    """What the audit log is to say of each, where there is one."""
