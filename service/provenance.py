"""The record of how an image came to be, written into the image file itself.

Entry points: `Provenance`, `wordless`, `kind_of`, `encoded_image`, `encoded_grid`; `written_records` reads them back.
PNG carries the JSON as a text chunk named "trimtab"; JPEG and WebP carry it as the EXIF UserComment.
"""

import io
import json
from collections.abc import Sequence

from PIL import ExifTags
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngInfo
from pydantic import BaseModel, ConfigDict

from service.schemas import PNG_COMPRESSION, AppliedConcept, AvertedConcept, ImageFormat, ScreenResult

PNG_KEY = "trimtab"

AI_GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's name for "made by a trained model": the machine-readable mark of generated media."""

# EXIF 2.3, 4.6.5: a comment starts with eight bytes that name its character code.
_ASCII = b"ASCII\0\0\0"

_KINDS = ("fairness", "safety")

# Pillow's default JPEG quality of 75 shows on flat colours.
JPEG_QUALITY = 95


class Provenance(BaseModel):
    """Everything needed to say where an image comes from, and to make it again.

    Nothing in it differs between two requests alike, so the same seed gives the same file, byte by byte.
    """

    model_config = ConfigDict(frozen=True)

    format_version: int = 2
    generator: str
    digital_source_type: str = AI_GENERATED
    model: str
    base_model: str
    prompt: str | None
    """As it was given; None in a file that is not to say it."""
    removed_phrases: tuple[str, ...] | None
    """Responsible phrases that the model did not read, since the policy has them removed; None likewise."""
    negative_prompt: str | None
    """As the model read it: the policy's words, then the request's; None likewise."""
    seed: int
    num_inference_steps: int
    guidance_scale: float
    scheduler: str
    height: int
    width: int
    policy: str | None
    """The configured policy's name; None for one that stood in the request."""
    policy_version: int | None
    policy_digest: str
    """Of the policy's document: the same digest, the same rules."""
    floor: str | None
    """The name of the floor under the policy."""
    floor_digest: str | None
    """Of the floor's document; None where there was no floor."""
    applied: tuple[AppliedConcept, ...]
    averted: tuple[AvertedConcept, ...]
    screen: ScreenResult | None
    """What a detector found in this picture and in those made for it before; None where nobody looked."""


def wordless(record: Provenance) -> Provenance:
    """Return a record without a word of the prompts: reasons quote them, so that of each its kind is left."""
    return record.model_copy(
        update={
            "prompt": None,
            "removed_phrases": None,
            "negative_prompt": None,
            "applied": tuple(
                one.model_copy(update={"reason": kind_of(one.reason)}) for one in record.applied
            ),
            "averted": tuple(
                one.model_copy(update={"reason": kind_of(one.reason)}) for one in record.averted
            ),
        }
    )


def kind_of(reason: str) -> str:
    """Return what kind of rule a reason names, "fairness" or "safety", without what it says of the prompt."""
    kind, colon, _ = reason.partition(": ")
    return kind if colon and kind in _KINDS else "policy"


def encoded_image(
    image: PillowImage.Image,
    image_format: ImageFormat,
    record: Provenance,
    quality: int | None = None,
    *,
    png_compression: int = PNG_COMPRESSION,
) -> bytes:
    """Return the image as a file of this format with its record inside.

    `quality` is JPEG's and WebP's, 0 to 100; without it a WebP is lossless. A PNG always is: `png_compression`, 0 to 9,
    is how hard it is tried to make it small.
    """
    text = _ascii_json(record.model_dump(mode="json"))
    if image_format == "png":
        return _png(image, text, png_compression)
    file = io.BytesIO()
    if image_format == "jpeg":
        image.save(
            file, "jpeg", quality=JPEG_QUALITY if quality is None else quality, exif=_user_comment(text)
        )
    elif quality is not None:
        image.save(file, "webp", quality=quality, exif=_user_comment(text))
    else:
        image.save(file, "webp", lossless=True, exif=_user_comment(text))
    return file.getvalue()


def encoded_grid(
    grid: PillowImage.Image, records: Sequence[Provenance], *, png_compression: int = PNG_COMPRESSION
) -> bytes:
    """Return a picture of several images as a PNG with the records of all, in order."""
    text = _ascii_json({"images": [record.model_dump(mode="json") for record in records]})
    return _png(grid, text, png_compression)


def written_records(image: PillowImage.Image) -> list[Provenance]:
    """Return the records in an opened file, several for a grid and none where there is none that can be read."""
    text: object = image.info.get(PNG_KEY)
    if text is None:
        comment = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
        text = comment[len(_ASCII) :] if isinstance(comment, bytes) and comment.startswith(_ASCII) else None
    if not isinstance(text, str | bytes):
        return []
    try:
        said = json.loads(text)
        found = said.get("images", [said])
        return [Provenance.model_validate(record) for record in found]
    except (ValueError, RecursionError, AttributeError, TypeError):
        return []


def _png(image: PillowImage.Image, text: str, compression: int) -> bytes:
    info = PngInfo()
    info.add_text(PNG_KEY, text)
    file = io.BytesIO()
    image.save(file, "png", pnginfo=info, compress_level=compression)
    return file.getvalue()


def _user_comment(text: str) -> PillowImage.Exif:
    exif = PillowImage.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = _ASCII + text.encode("ascii")
    return exif


def _ascii_json(content: object) -> str:
    """ASCII alone passes unchanged through PNG's Latin-1 text and EXIF's ASCII code."""
    return json.dumps(content, ensure_ascii=True)
