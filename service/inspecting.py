"""What an image file says of where it comes from: its records and its C2PA manifest.

Entry points: `inspect_file` and what it returns, `Inspected`.
"""

import io
from pathlib import Path
from typing import Final

from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict

from service.audit.record import image_digest
from service.errors import UnreadablePictureError
from service.provenance import Provenance, written_records
from service.read_credentials import FoundCredentials, found_credentials
from service.schemas import ImageFormat

_FORMATS: Final[dict[str, ImageFormat]] = {"PNG": "png", "JPEG": "jpeg", "WEBP": "webp"}


class Inspected(BaseModel):
    """One image file."""

    model_config = ConfigDict(frozen=True)

    format: str
    width: int
    height: int
    image_digest: str
    """Of the pixels, as the audit log has it where they are as they were made; a JPEG's are not."""
    images: tuple[Provenance, ...]
    """The record of each image in it, several for a grid; none where no record of Trimtab's is in it."""
    credentials: FoundCredentials | None
    """Its C2PA manifest; None where it has none."""


def inspect_file(file: Path, trusted: Path | None = None) -> Inspected:
    """Return what a file says; `trusted` is a PEM file of issuers whose certificates are trusted.

    Raises UnreadablePictureError for what is no picture, and CredentialsError where `trusted` cannot be used.
    """
    data = _read(file)
    anchors = None if trusted is None else _read(trusted).decode("utf-8", "replace")
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            digest, records = image_digest(image), written_records(image)
            size, kind = image.size, image.format or "unknown"
    except UnidentifiedImageError as error:
        raise UnreadablePictureError(
            f"{file} is no picture.", value=str(file), cure="Give a PNG, a JPEG or a WebP."
        ) from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadablePictureError(
            f"{file} is damaged, or too large to be opened: {error}",
            value=str(file),
            cure="Give the file as it was served.",
        ) from error
    credentials = found_credentials(data, _FORMATS[kind], anchors) if kind in _FORMATS else None
    return Inspected(
        format=kind,
        width=size[0],
        height=size[1],
        image_digest=digest,
        images=tuple(records),
        credentials=credentials,
    )


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UnreadablePictureError(
            f"{file} cannot be read: {error.strerror}.", value=str(file), cure="Name a file that is there."
        ) from error
