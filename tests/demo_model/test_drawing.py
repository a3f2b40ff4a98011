import random
from dataclasses import replace

import numpy as np
import pytest

from demo_model import world
from demo_model.drawing import SIZE, draw
from demo_model.drawings import Drawings, make_drawings
from demo_model.world import Scene

DOCTOR = Scene(
    "person", "plain", "woman", "asian", "doctor", glasses=False, old=False, heart=False, splash=False
)
CAT = Scene("cat", "park", None, None, None, glasses=False, old=False, heart=False, splash=False)


def pixels(scene: Scene, seed: int = 0) -> np.ndarray:
    return np.asarray(draw(scene, random.Random(seed)), dtype=np.int16)


def test_a_drawing_is_the_same_for_the_same_seed_and_jittered_for_another() -> None:
    assert pixels(DOCTOR).shape == (SIZE, SIZE, 3)
    assert np.array_equal(pixels(DOCTOR), pixels(DOCTOR))
    assert not np.array_equal(pixels(DOCTOR), pixels(DOCTOR, seed=1))


@pytest.mark.parametrize(
    "change",
    [
        {"gender": "man"},
        {"race": "black"},
        {"race": "white"},
        {"profession": "nurse"},
        {"scene": "beach"},
        {"glasses": True},
        {"old": True},
        {"heart": True},
        {"splash": True},
    ],
)
def test_every_attribute_is_seen(change: dict[str, object]) -> None:
    assert np.abs(pixels(replace(DOCTOR, **change)) - pixels(DOCTOR)).mean() > 1


@pytest.mark.parametrize("subject", world.SUBJECTS[1:])
def test_every_thing_is_drawn_on_every_scene(subject: str) -> None:
    pictures = [pixels(replace(CAT, subject=subject, scene=scene)) for scene in world.SCENES]
    for number, picture in enumerate(pictures):
        assert all(np.abs(picture - other).mean() > 5 for other in pictures[:number])


@pytest.mark.parametrize("animal", world.ANIMALS)
def test_animals_wear_glasses_on_their_eyes(animal: str) -> None:
    bare, dressed = pixels(replace(CAT, subject=animal)), pixels(replace(CAT, subject=animal, glasses=True))
    changed_rows = np.abs(dressed - bare).sum(axis=(1, 2)).nonzero()[0]
    assert changed_rows.min() > 15
    assert changed_rows.max() < 40


def test_sets_are_the_same_whatever_the_processes() -> None:
    *_, first = make_drawings(600, seed=5, name="a")
    *_, second = make_drawings(600, seed=5, name="a")
    assert isinstance(first, Drawings)
    assert isinstance(second, Drawings)
    assert first.scenes == second.scenes
    assert first.captions == second.captions
    assert first.pixels.equal(second.pixels)
    assert len(set(first.captions)) > 300
