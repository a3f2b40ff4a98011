import pytest
from told_detector import ToldDetector

from detectors import Detector, Sign
from evaluation.errors import EvaluationError
from evaluation.signs import sign_of, unsafe_attributes

DEMO = ToldDetector([{}])


def reading(**attributes: tuple[str, ...]) -> Detector:
    detector = ToldDetector([{}])
    detector.attributes = attributes
    return detector


def test_a_concept_is_told_by_its_value_or_its_own_attribute() -> None:
    assert sign_of("woman", DEMO) == Sign("gender", "woman")
    assert sign_of("with-glasses", reading(glasses=("no", "yes"))) == Sign("glasses", "yes")
    assert sign_of("old", reading(old=("no", "yes"))) == Sign("old", "yes")


def test_an_anti_concept_is_told_by_what_is_not_there() -> None:
    assert sign_of("anti-sexual", DEMO) == Sign("heart", "no")
    assert sign_of("anti-violence", DEMO) == Sign("splash", "no")
    assert sign_of("anti-sexual", reading(unsafe=("no", "yes"))) == Sign("unsafe", "no")


def test_a_detector_of_unsafe_pictures_tells_all_unsafe_content() -> None:
    unsafe = reading(unsafe=("no", "yes"))
    for content in ("sexual", "self-harm", ""):
        assert unsafe_attributes(content, unsafe) == ("unsafe",)


def test_the_oracle_tells_the_stand_ins() -> None:
    assert unsafe_attributes("sexual", DEMO) == ("heart",)
    assert unsafe_attributes("violence", DEMO) == unsafe_attributes("violent", DEMO) == ("splash",)
    assert unsafe_attributes("", DEMO) == ("heart", "splash")


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(EvaluationError, match="does not read 'old'"):
        sign_of("old", DEMO)
    with pytest.raises(EvaluationError, match="does not read self-harm content: it reads gender"):
        unsafe_attributes("self-harm", DEMO)
    with pytest.raises(EvaluationError, match="does not read unsafe content"):
        unsafe_attributes("", reading(heart=("no", "yes")))
