"""Several images as one labelled picture.

Entry points: `labelled_grid`; `Notice`, what stands where there is no picture, and `notice_picture` for one alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

MIN_TILE_PX = 192
MARGIN_PX = 12
INK = (32, 32, 36)
PAPER = (255, 255, 255)
NOTICE_PAPER = (208, 208, 212)


@dataclass(frozen=True)
class Notice:
    """Words in place of a picture of this width and height."""

    text: str
    size: tuple[int, int]


def labelled_grid(images: Sequence[Image.Image | Notice], labels: Sequence[str]) -> Image.Image:
    """Return the images, all of one size, in rows on white paper with a label under each; notices on grey.

    Small images are enlarged by a whole factor until both sides have at least MIN_TILE_PX.
    """
    factor = max(1, math.ceil(MIN_TILE_PX / min(images[0].size)))
    width, height = (side * factor for side in images[0].size)
    font_px = max(15, width // 16)
    label_height = font_px * 2
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    paper = Image.new(
        "RGB",
        (
            MARGIN_PX + columns * (width + MARGIN_PX),
            MARGIN_PX + rows * (height + label_height),
        ),
        PAPER,
    )
    ink = ImageDraw.Draw(paper)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        row, column = divmod(index, columns)
        left = MARGIN_PX + column * (width + MARGIN_PX)
        top = MARGIN_PX + row * (height + label_height)
        paper.paste(_tile(image, width, height), (left, top))
        ink.text(
            (left + width / 2, top + height + label_height / 2),
            label,
            fill=INK,
            font=_fitting_font(label, width, font_px),
            anchor="mm",
        )
    return paper


def notice_picture(notice: Notice) -> Image.Image:
    """Return the words on grey, of the notice's size."""
    width, height = notice.size
    picture = Image.new("RGB", notice.size, NOTICE_PAPER)
    font = _fitting_font(notice.text, width * 9 // 10, max(15, width // 10))
    ImageDraw.Draw(picture).text((width / 2, height / 2), notice.text, fill=INK, font=font, anchor="mm")
    return picture


def _tile(image: Image.Image | Notice, width: int, height: int) -> Image.Image:
    if isinstance(image, Image.Image):
        return image.resize((width, height), Image.Resampling.LANCZOS)
    return notice_picture(Notice(image.text, (width, height)))


def _fitting_font(label: str, width: int, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The largest font up to `size` in which the label is no wider than its picture."""
    font = ImageFont.load_default(size)
    while font.getlength(label) > width and size > 8:
        size -= 1
        font = ImageFont.load_default(size)
    return font
