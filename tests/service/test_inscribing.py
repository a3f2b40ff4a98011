"""How files are written that the service gives away."""

import io

import numpy as np
import pytest
from PIL import Image
from served_pictures import opened

from service.inscribing import open_inscriber
from service.provenance import Provenance, written_records
from service.settings import Settings, SettingsError, load_settings

RECORD = Provenance(
    generator="trimtab 1",
    model="sd1",
    base_model="sha256:0",
    prompt="a doctor",
    removed_phrases=(),
    negative_prompt="",
    seed=7,
    num_inference_steps=2,
    guidance_scale=5.0,
    scheduler="ddim",
    height=64,
    width=64,
    policy="default",
    policy_version=1,
    policy_digest="sha256:0",
    floor=None,
    floor_digest=None,
    applied=(),
    averted=(),
    screen=None,
)


@pytest.fixture
def picture() -> Image.Image:
    """Neither flat nor noise."""
    rows = np.add.outer(np.arange(64) ** 2 // 40, np.arange(64) * 3) % 256
    return Image.fromarray(np.stack([rows, rows.T, 255 - rows], axis=2).astype("uint8"))


def test_pngs_are_the_same_picture_however_small_they_are_made(picture):
    by_level = {level: open_inscriber(Settings(png_compression=level)) for level in (0, 1, 9)}
    images = {level: one.image(picture, "png", RECORD) for level, one in by_level.items()}
    grids = {level: one.grid(picture, [RECORD, RECORD]) for level, one in by_level.items()}
    for files, count in ((images, 1), (grids, 2)):
        assert len(files[9]) < len(files[1]) < len(files[0])
        assert all(opened(file).tobytes() == picture.tobytes() for file in files.values())
        assert all(len(written_records(Image.open(io.BytesIO(file)))) == count for file in files.values())


def test_a_level_that_there_is_not_is_refused():
    with pytest.raises(SettingsError, match="png_compression = 10"):
        load_settings({"png_compression": 10})
