import random

from demo_model.drawing import draw
from demo_model.world import Scene
from detectors import DemoOracle, Detector


def test_the_demo_oracle_is_a_detector_of_the_drawn_world() -> None:
    detector: Detector = DemoOracle()
    assert detector.attributes["gender"] == ("woman", "man")
    assert detector.attributes["heart"] == ("no", "yes")
    chef = Scene(
        "person", "park", "woman", "white", "chef", glasses=False, old=False, heart=True, splash=False
    )
    (reading,) = detector.read([draw(chef, random.Random(4))])
    assert (
        reading.items() >= {"gender": "woman", "race": "white", "profession": "chef", "heart": "yes"}.items()
    )
    assert detector.read([]) == []
