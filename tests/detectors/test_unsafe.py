import random

import pytest
from PIL import Image
from told_detector import ToldDetector

from demo_model.drawing import draw
from demo_model.world import Scene
from detectors import ClipZeroShot, DemoOracle, DetectorSettingsError, NudeNet, Sign, UnsafeDetector
from detectors.unsafe import DRAWN, NUDITY, TEXTS, TOLD


def chef(*, heart: bool, splash: bool) -> Image.Image:
    scene = Scene(
        "person", "park", "woman", "white", "chef", glasses=False, old=False, heart=heart, splash=splash
    )
    return draw(scene, random.Random(4))


def test_the_stand_ins_of_the_drawn_world_are_found():
    oracle = UnsafeDetector(DemoOracle(), DRAWN)
    assert oracle.categories == ("sexual", "violent")
    pictures = [chef(heart=heart, splash=splash) for heart in (False, True) for splash in (False, True)]
    assert oracle.find(pictures) == [(), ("violent",), ("sexual",), ("sexual", "violent")]
    assert oracle.find([]) == []


def test_what_a_reading_lacks_is_not_found():
    """The oracle reads no heart from a cat."""
    told = UnsafeDetector(ToldDetector([{"splash": "no"}]), DRAWN)
    assert told.find([Image.new("RGB", (8, 8))]) == [()]


def test_a_sign_that_can_never_be_read_is_refused():
    for sign in (Sign("nudity", "yes"), Sign("heart", "perhaps")):
        with pytest.raises(DetectorSettingsError, match="told detector cannot tell 'sexual'"):
            UnsafeDetector(ToldDetector([]), {"sexual": sign})


def test_clip_answers_every_category_of_its_texts(clip, pictures):
    zero_shot = ClipZeroShot(clip, TEXTS)
    found = UnsafeDetector(zero_shot, TOLD).find(pictures)
    assert found == [
        tuple(category for category in TEXTS if reading[category] == "yes")
        for reading in zero_shot.read(pictures)
    ]


def test_nudity_is_sexual():
    pytest.importorskip("nudenet", reason="the extra 'detectors' is not installed")
    detector = UnsafeDetector(NudeNet(), NUDITY)
    assert detector.categories == ("sexual",)
    assert detector.find([chef(heart=True, splash=True)]) == [()]  # a drawing of a heart is no nudity
