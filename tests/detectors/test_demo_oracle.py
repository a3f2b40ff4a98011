import random

import torch

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


def test_its_features_are_what_its_last_layer_reads_from() -> None:
    oracle = DemoOracle()
    one, other = (
        draw(
            Scene(subject, "park", None, None, None, glasses=False, old=False, heart=False, splash=False),
            random.Random(4),
        )
        for subject in ("cat", "house")
    )
    features = oracle.features([one, other, one])
    assert features.shape == (3, 128)
    assert torch.equal(features[0], features[2])
    assert not torch.equal(features[0], features[1])
    subjects = oracle._oracle.heads(features)[:, : len(oracle.attributes["subject"])].argmax(dim=1)
    assert [oracle.attributes["subject"][index] for index in subjects] == ["cat", "house", "cat"]
    assert oracle.features([]).shape == (0, 128)
