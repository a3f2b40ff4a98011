"""Generated images as what goes back: JSON with base64 files, or one PNG.

Entry points: `json_answer`, `png_answer`. Both compress pictures, which takes time: not for the event loop.
"""

import base64
import time

from service.generation import Generated
from service.grid import labelled_grid
from service.provenance import encoded_grid, encoded_image
from service.schemas import GenerateResponse, ImageFormat, ImageItem, Timings


def json_answer(generated: Generated, image_format: ImageFormat) -> GenerateResponse:
    """Return every image as a file in base64, with its provenance beside it and inside it."""
    started = time.perf_counter()
    images = tuple(
        ImageItem(
            b64_json=base64.b64encode(encoded_image(made.image, image_format, made.record)).decode("ascii"),
            seed=made.record.seed,
            applied=made.record.applied,
        )
        for made in generated.images
    )
    return GenerateResponse(
        id=generated.id, model=generated.model, images=images, timings_s=_timings(generated, started)
    )


def png_answer(generated: Generated) -> tuple[bytes, Timings]:
    """Return one image as it is, several as a labelled grid; the file holds the provenance of all."""
    started = time.perf_counter()
    first, *others = generated.images
    if others:
        grid = labelled_grid(
            [made.image for made in generated.images], [made.label for made in generated.images]
        )
        png = encoded_grid(grid, [made.record for made in generated.images])
    else:
        png = encoded_image(first.image, "png", first.record)
    return png, _timings(generated, started)


def _timings(generated: Generated, encoding_started: float) -> Timings:
    encode = time.perf_counter() - encoding_started
    return Timings(
        queue=generated.queue_s,
        generate=generated.generate_s,
        encode=encode,
        total=generated.queue_s + generated.generate_s + encode,
    )
