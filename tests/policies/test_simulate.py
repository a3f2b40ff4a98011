import pytest

from policies.document import FairnessRule
from policies.simulate import confidence_band, simulate

SETS = {"gender": ("woman", "man"), "race": ("black", "white", "asian")}
RULES = (FairnessRule(set="gender", target={"woman": 0.6, "man": 0.4}), FairnessRule(set="race"))


@pytest.mark.parametrize("assignment", ["independent", "balanced", "ledger"])
def test_every_image_is_counted_once_and_again_alike(assignment):
    done = simulate(RULES, SETS, assignment, requests=20, images=3, seed=1)
    assert list(done.images) == list(range(3, 63, 3))
    for place, images in enumerate(done.images):
        assert sum(served[place] for served in done.served.values()) == images
    assert done == simulate(RULES, SETS, assignment, requests=20, images=3, seed=1)


def test_the_ledger_ends_nearer_to_the_target():
    draws, ledger = (
        simulate(RULES, SETS, way, requests=150, images=2, seed=1) for way in ("independent", "ledger")
    )
    assert ledger.deviation <= 1.5 / 300
    assert draws.deviation > ledger.deviation


def test_independent_shares_are_within_the_band():
    done = simulate(RULES[:1], SETS, "independent", requests=500, images=2, seed=2)
    low, high = confidence_band(0.6, 1000)
    assert low < done.share(("woman",)) < high
    assert (low, high) == pytest.approx((0.5696, 0.6304), abs=1e-4)
    assert confidence_band(0.01, 4)[0] == 0
