from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import ProbabilityError
from policies.ledger import most_underserved, shares_of

weights = st.lists(st.integers(0, 100), min_size=1, max_size=6).filter(any)


def targets(weights: list[int]) -> dict[str, float]:
    return {f"m{index}": weight / sum(weights) for index, weight in enumerate(weights)}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"woman": 0.5, "man": 0.5}, "man woman man woman"),
        ({"white": 1 / 3, "black": 1 / 3, "asian": 1 / 3}, "asian black white asian"),
        ({"woman": 0.75, "man": 0.25}, "woman man woman woman"),
        ({"woman": 1.0, "man": 0.0}, "woman woman woman woman"),
    ],
)
def test_the_first_choices_by_hand(target, expected):
    served: Counter[str] = Counter()
    chosen = []
    for _ in range(4):
        chosen.append(most_underserved(shares_of(target), served))
        served[chosen[-1]] += 1
    assert chosen == expected.split()


@given(weights, st.integers(1, 300))
def test_nobody_is_a_whole_image_ahead_of_its_share(weights, count):
    """So the served share exceeds the target by less than 1/n, and not by 1/sqrt(n) as draws do."""
    shares = shares_of(targets(weights))
    served: Counter[str] = Counter()
    for total in range(1, count + 1):
        served[most_underserved(shares, served)] += 1
        for member, share in shares.items():
            assert served[member] - share * total < 1
            if len(shares) <= 2:
                assert share * total - served[member] < 1


def test_what_left_the_target_owes_the_others_nothing():
    """A hundred images of a member that is no longer asked for do not let one of the others run ahead."""
    shares = shares_of({"woman": 0.9, "man": 0.1})
    assert most_underserved(shares, {"woman": 9, "man": 0, "other": 100}) == "man"


def test_a_target_that_misses_one_by_a_little_never_lets_in_a_member_without_a_share():
    shares = shares_of({"black": 0.333, "white": 0.333, "asian": 0.333, "none": 0.0})
    assert sum(shares.values()) == pytest.approx(1)
    assert most_underserved(shares, dict.fromkeys(("black", "white", "asian"), 10**6)) == "asian"
    assert list(shares) == ["asian", "black", "white"]


@pytest.mark.parametrize("target", [{}, {"woman": 0.0}])
def test_a_target_without_a_share_is_refused(target):
    with pytest.raises(ProbabilityError, match="above 0"):
        shares_of(target)
