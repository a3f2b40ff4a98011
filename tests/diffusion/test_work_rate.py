import pytest

from diffusion.work_rate import WorkRate


def test_nothing_is_known_before_anything_is_done():
    rate = WorkRate()
    assert rate.seconds_for(10) is None
    rate.take(0, 1)
    assert rate.seconds_for(10) is None


def test_it_is_the_work_over_the_time_that_decoding_took_too():
    rate = WorkRate()
    for _ in range(200):
        rate.take(8, 0.5)
        rate.take(0, 0.5)
    assert rate.seconds_for(80) == pytest.approx(10, rel=0.05)


def test_what_was_long_ago_counts_no_more():
    rate = WorkRate()
    for _ in range(200):
        rate.take(100, 1)
    for _ in range(200):
        rate.take(1, 1)
    assert rate.seconds_for(1) == pytest.approx(1, rel=0.02)
