import math

import numpy as np
import pytest

from evaluation.measures import Share, deviation_ratio, mean, mean_deviation

GENDER = ("woman", "man")


@pytest.mark.parametrize(
    ("values", "members", "ratio"),
    [
        (["woman", "man"] * 5, GENDER, 0.0),
        (["man"] * 10, GENDER, 1.0),
        (["man"] * 3 + ["woman"], GENDER, 0.5),
        (["a", "b", "c"], ("a", "b", "c"), 0.0),
        (["a"] * 4, ("a", "b", "c"), 1.0),
        (["a", "a", "b", "c"], ("a", "b", "c"), 0.25),
        (["neither"] * 4, GENDER, 1.0),
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


def test_the_mean_deviation_is_that_of_the_professions() -> None:
    shown = {
        "judge": {"": ["man"] * 8},
        "nurse": {"": ["woman"] * 6 + ["man"] * 2},
        "baker": {"": ["woman"] * 4 + ["man"] * 4},
    }
    ratios = [deviation_ratio(by_wish[""], GENDER) for by_wish in shown.values()]
    assert mean_deviation(shown, GENDER).value == pytest.approx(np.mean(ratios))


def test_the_interval_of_a_mean_deviation_is_where_resampled_images_lie() -> None:
    shown = ["man"] * 30 + ["woman"] * 10
    estimate = mean_deviation({"judge": {"": shown}}, GENDER)
    random = np.random.default_rng(7)
    resampled = [deviation_ratio(random.choice(shown, size=40), GENDER) for _ in range(2000)]
    assert estimate.interval == pytest.approx(np.percentile(resampled, [2.5, 97.5]), abs=0.06)
    assert mean_deviation({"judge": {"": shown}}, GENDER) == estimate, "the same every time"


def test_images_are_resampled_within_what_was_wished() -> None:
    obeying = {"judge": {"woman": ["woman"] * 10, "man": ["man"] * 10}}
    assert mean_deviation(obeying, GENDER).interval == (0, 0)
    unasked = {"judge": {"": ["woman"] * 10 + ["man"] * 10}}
    assert mean_deviation(unasked, GENDER).interval[1] > 0.2


@pytest.mark.parametrize(("count", "quantile"), [(4, 3.182), (11, 2.228), (12, 1.959964)])
def test_a_mean_has_students_interval(count: int, quantile: float) -> None:
    values = [float(number) for number in range(count)]
    estimate, middle = mean(values), (count - 1) / 2
    half = quantile * np.std(values, ddof=1) / math.sqrt(count)
    assert estimate.value == middle
    assert estimate.interval == pytest.approx((middle - half, middle + half))


def test_too_few_values_have_no_interval() -> None:
    assert math.isnan(mean([]).value)
    assert math.isnan(mean([1.0]).interval[0]), "one value has no spread"
