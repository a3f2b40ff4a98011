from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from policies.assignment import draw, uniform_target

seeds = st.integers(min_value=0, max_value=2**63 - 1)
targets = (
    st.dictionaries(st.text("abcdefgh", min_size=1, max_size=4), st.integers(0, 10), min_size=1, max_size=6)
    .filter(lambda weights: sum(weights.values()) > 0)
    .map(lambda weights: {name: weight / sum(weights.values()) for name, weight in weights.items()})
)


@given(target=targets, seed=seeds)
def test_draw_is_a_member_with_a_share_whatever_the_order(target, seed):
    member = draw(target, seed, "set")
    assert target[member] > 0
    assert draw(dict(reversed(target.items())), seed, "set") == member


def test_draws_are_these():
    """Fixed for good: images made earlier must be made again alike."""
    target = uniform_target(("woman", "man"))
    assert [draw(target, seed, "gender")[0] for seed in range(16)] == list("mwmmwmwmmmwmwwwm")


@given(target=targets, start=st.integers(0, 2**62))
def test_shares_converge_over_consecutive_seeds(target, start):
    count = 2000
    drawn = Counter(draw(target, start + offset, "set") for offset in range(count))
    for member, share in target.items():
        # Six standard deviations of a binomial share, and exactness at the ends.
        tolerance = 6 * (share * (1 - share) / count) ** 0.5
        assert abs(drawn[member] / count - share) <= tolerance


def test_draws_from_two_sets_are_independent():
    count = 4000
    gender, shade = uniform_target(("woman", "man")), uniform_target(("light", "dark"))
    pairs = Counter((draw(gender, seed, "gender"), draw(shade, seed, "shade")) for seed in range(count))
    assert len(pairs) == 4
    assert all(abs(times / count - 1 / 4) < 0.04 for times in pairs.values())


def test_rounded_shares_never_run_past_the_last_member():
    thirds = {"a": 0.333, "b": 0.333, "c": 0.333}
    drawn = Counter(draw(thirds, seed, "set") for seed in range(6000))
    assert all(abs(times / 6000 - 1 / 3) < 0.04 for times in drawn.values())
