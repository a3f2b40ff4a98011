import pytest

from service.observability.served_metrics import ServedMetrics, deviation_ratio


@pytest.mark.parametrize(
    ("counts", "ratio"),
    [([5, 5], 0.0), ([5, 0], 1.0), ([3, 1], 0.5), ([2, 2, 2], 0.0), ([0, 0, 9], 1.0), ([4, 1, 1], 0.5)],
)
def test_the_ratio_is_that_of_the_paper(counts, ratio):
    assert deviation_ratio(counts) == pytest.approx(ratio)


def told(metrics: ServedMetrics, name: str) -> dict[tuple[str, ...], float]:
    (family,) = (family for family in metrics.collect() if family.name == name)
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


def test_members_that_got_nothing_count_with_nothing():
    metrics = ServedMetrics(lambda: {"race": ("black", "white", "asian")})
    for _ in range(3):
        metrics.count({"race": "black"})
    assert told(metrics, "trimtab_served_share") == {
        ("race", "black"): 1,
        ("race", "white"): 0,
        ("race", "asian"): 0,
    }
    assert told(metrics, "trimtab_deviation_ratio") == {("race",): 1}


def test_sets_of_which_nothing_was_served_or_nobody_knows_have_no_share():
    metrics = ServedMetrics(lambda: {"gender": ("woman", "man"), "one": ("alone",)})
    metrics.count({"unknown": "x", "one": "alone"})
    assert told(metrics, "trimtab_served_share") == {("one", "alone"): 1}
    assert told(metrics, "trimtab_deviation_ratio") == {}
