import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_clip import save_tiny_clip

from demo_model.drawing import draw
from demo_model.world import Scene
from detectors import ClipEncoder


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="session")
def clip(clip_folder: Path) -> ClipEncoder:
    return ClipEncoder(clip_folder, device="cpu", batch_size=2)


@pytest.fixture(scope="session")
def pictures() -> list[Image.Image]:
    """Drawings, noise, and pictures that are not RGB or not square."""
    person = Scene(
        "person", "park", "woman", "white", "chef", glasses=False, old=False, heart=False, splash=False
    )
    noise = np.random.default_rng(0).integers(0, 256, (40, 70, 3), dtype=np.uint8)
    return [
        draw(person, random.Random(4)),
        Image.fromarray(noise),
        Image.new("L", (30, 50), 90),
        Image.new("RGBA", (64, 64), (200, 30, 30, 255)),
        Image.new("RGB", (16, 48), (10, 20, 240)),
    ]
