"""Writing pictures into files, with what the configuration lets the files say of themselves.

Entry points: `Inscriber`, `open_inscriber`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from service.content_credentials import Credentials, open_credentials
from service.provenance import Provenance, encoded_grid, encoded_image, wordless
from service.schemas import PNG_COMPRESSION, ImageFormat
from service.settings import Settings


@dataclass(frozen=True)
class Inscriber:
    """Writes image files with their records inside; signed where there are credentials. It takes time: on a thread."""

    says_prompts: bool = False
    credentials: Credentials | None = None
    png_compression: int = PNG_COMPRESSION

    def image(
        self,
        image: Image.Image,
        image_format: ImageFormat,
        record: Provenance,
        quality: int | None = None,
    ) -> bytes:
        """Return one image as a file, see `encoded_image`; raises CredentialsError where it cannot be signed."""
        said = self._said(record)
        file = encoded_image(image, image_format, said, quality, png_compression=self.png_compression)
        return file if self.credentials is None else self.credentials.signed(file, image_format, [said])

    def grid(self, grid: Image.Image, records: Sequence[Provenance]) -> bytes:
        """Return a picture of several images as a PNG with the records of all; raises CredentialsError."""
        said = [self._said(record) for record in records]
        file = encoded_grid(grid, said, png_compression=self.png_compression)
        return file if self.credentials is None else self.credentials.signed(file, "png", said)

    def _said(self, record: Provenance) -> Provenance:
        return record if self.says_prompts else wordless(record)


def open_inscriber(settings: Settings) -> Inscriber:
    """Return what writes a service's files; raises CredentialsError where certificate and key cannot be used."""
    return Inscriber(settings.prompts_in_images, open_credentials(settings), settings.png_compression)
