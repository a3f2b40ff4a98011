import math

import pytest

from evaluation.measures import Share, deviation_ratio


@pytest.mark.parametrize(
    ("values", "members", "ratio"),
    [
        (["woman", "man"] * 5, ("woman", "man"), 0.0),
        (["man"] * 10, ("woman", "man"), 1.0),
        (["man"] * 3 + ["woman"], ("woman", "man"), 0.5),
        (["a", "b", "c"], ("a", "b", "c"), 0.0),
        (["a"] * 4, ("a", "b", "c"), 1.0),
        (["a", "a", "b", "c"], ("a", "b", "c"), 0.25),
        (["neither"] * 4, ("woman", "man"), 1.0),
    ],
)
def test_the_deviation_ratio_is_0_where_fair_and_1_where_one_sided(
    values: list[str], members: tuple[str, ...], ratio: float
) -> None:
    assert deviation_ratio(values, members) == pytest.approx(ratio)


def test_a_share_has_wilsons_interval() -> None:
    # 95 % interval of 8 in 10, by Wilson's formula.
    assert Share(8, 10).interval == pytest.approx((0.4902, 0.9433), abs=1e-4)
    low, high = Share(0, 96).interval
    assert low == pytest.approx(0, abs=1e-12)
    assert 0.03 < high < 0.04


def test_a_share_of_nothing_is_unknown() -> None:
    assert math.isnan(Share.of([]).value)
    assert Share.of([]).interval == (0.0, 1.0)
