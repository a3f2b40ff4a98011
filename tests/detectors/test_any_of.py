import pytest
from PIL import Image
from told_detector import ToldDetector

from detectors import AnyOf, Detector, DetectorSettingsError

PICTURES = [Image.new("RGB", (8, 8))] * 4


def test_a_picture_is_unsafe_if_any_detector_says_so() -> None:
    hearts = ToldDetector([{"heart": "no"}, {"heart": "yes"}, {"heart": "no"}, {"heart": "yes"}])
    others = ToldDetector([{"heart": "no"}, {"heart": "no"}, {"heart": "yes"}, {"heart": "yes"}])
    joined: Detector = AnyOf(hearts, others, attribute="heart")
    assert joined.name == "told detector or told detector"
    assert joined.attributes == {"heart": ("no", "yes")}
    assert [reading["heart"] for reading in joined.read(PICTURES)] == ["no", "yes", "yes", "yes"]
    assert joined.read([]) == []


def test_a_picture_the_question_does_not_apply_to_is_no() -> None:
    told = ToldDetector([{}])
    assert AnyOf(told, attribute="heart").read(PICTURES[:1]) == [{"heart": "no"}]


def test_detectors_that_do_not_answer_the_question_are_refused() -> None:
    told = ToldDetector([{}])
    with pytest.raises(DetectorSettingsError, match="told detector does not read 'unsafe' as no or yes"):
        AnyOf(told)
    with pytest.raises(DetectorSettingsError, match="does not read 'gender' as no or yes"):
        AnyOf(told, attribute="gender")
    with pytest.raises(DetectorSettingsError, match="by no detectors"):
        AnyOf()
