"""Generated images as what goes back: JSON with base64 files, or one PNG.

Entry points: `json_answer`, `png_answer` and `encoded_picture`, which compress pictures (that takes time: not for the
event loop), `json_item`, `blocked_in` and `screen_header`. A blocked image is null in JSON and words on grey in a file,
and never a picture.
"""

import base64
import time
from collections.abc import Sequence

from PIL import Image

from service.generated import Generated, ProvenImage
from service.grid import Notice, labelled_grid, notice_picture
from service.schemas import Blocked, GenerateResponse, ImageFormat, ImageItem, ScreenResult, Timings


def json_answer(generated: Generated, image_format: ImageFormat) -> GenerateResponse:
    """Return every image as a file in base64, with its provenance beside it and inside it."""
    started = time.perf_counter()
    images = tuple(json_item(made, image_format) for made in generated.images)
    return GenerateResponse(
        id=generated.id, model=generated.model, images=images, timings_s=_timings(generated, started)
    )


def png_answer(generated: Generated) -> bytes:
    """Return one image as it is, several and blocked ones as a labelled grid; the file holds the provenance of all."""
    first, *others = generated.images
    if others or first.image is None:
        grid = labelled_grid(
            [_picture(made) for made in generated.images], [_label(made) for made in generated.images]
        )
        return first.inscriber.grid(grid, [made.record for made in generated.images])
    return first.inscriber.image(first.image, "png", first.record)


def screen_header(images: Sequence[ProvenImage]) -> dict[str, str]:
    """Return what a PNG answer says of the screen, image by image ("passed, blocked=sexual"); {} without one."""
    screens = [made.record.screen for made in images]
    said = ", ".join(_said(screen) for screen in screens if screen is not None)
    return {"X-Trimtab-Screen": said} if said else {}


def encoded_picture(made: ProvenImage, image_format: ImageFormat, quality: int | None = None) -> bytes:
    """Return one image as a file, for formats that must have one: of a blocked one words on grey, of its size."""
    picture = _picture(made)
    image = notice_picture(picture) if isinstance(picture, Notice) else picture
    return made.inscriber.image(image, image_format, made.record, quality)


def json_item(made: ProvenImage, image_format: ImageFormat | None = None) -> ImageItem:
    """Return one image with its provenance; without a format its file is left out."""
    file = None
    if made.image is not None and image_format is not None:
        written = made.inscriber.image(made.image, image_format, made.record)
        file = base64.b64encode(written).decode("ascii")
    return ImageItem(
        b64_json=file,
        seed=made.record.seed,
        label=made.label,
        applied=made.record.applied,
        averted=made.record.averted,
        screen=made.record.screen,
        blocked=blocked_in(made),
    )


def blocked_in(made: ProvenImage) -> Blocked | None:
    """Return why an image has no picture; None where it has one."""
    screen = made.record.screen
    if made.image is not None or screen is None:
        return None
    *before, last = screen.attempts
    also = f", as in {len(before)} made for it before" if before else ""
    return Blocked(
        categories=last.found,
        reason=f"The {screen.detector} found {' and '.join(last.found)} content in the picture{also}; the policy "
        "serves no such picture.",
    )


def _picture(made: ProvenImage) -> Image.Image | Notice:
    if made.image is not None:
        return made.image
    blocked = blocked_in(made)
    found = ", ".join(blocked.categories) if blocked else "no picture"
    return Notice(f"blocked: {found}", (made.record.width, made.record.height))


def _label(made: ProvenImage) -> str:
    screen = made.record.screen
    if screen is None or screen.outcome != "flagged":
        return made.label
    return f"{made.label} · flagged: {', '.join(screen.attempts[-1].found)}"


def _said(screen: ScreenResult) -> str:
    found = screen.attempts[-1].found
    return f"{screen.outcome}={'+'.join(found)}" if found else screen.outcome


def _timings(generated: Generated, encoding_started: float) -> Timings:
    encode = time.perf_counter() - encoding_started
    return Timings(
        queue=generated.queue_s,
        generate=generated.generate_s,
        encode=encode,
        total=generated.queue_s + generated.generate_s + encode,
    )
