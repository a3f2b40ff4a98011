from detectors import Sign


def test_a_sign_is_in_a_reading_that_has_it() -> None:
    sign = Sign("gender", "woman")
    assert sign.is_in({"gender": "woman"})
    assert not sign.is_in({"gender": "man"})
    assert not sign.is_in({})
