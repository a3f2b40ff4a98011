import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.cap import capped, combined_norm
from policies.errors import StrengthError

NAMES = ("a", "b", "c", "d")


@st.composite
def gram(draw) -> dict[tuple[str, str], float]:
    """Inner products of real vectors of three numbers."""
    number = st.floats(-3, 3).map(lambda value: round(value, 3))
    vectors = {name: draw(st.lists(number, min_size=3, max_size=3)) for name in NAMES}
    return {
        (one, other): sum(x * y for x, y in zip(vectors[one], vectors[other], strict=True))
        for one in NAMES
        for other in NAMES
    }


strengths = st.fixed_dictionaries(
    {name: st.floats(-3, 3).map(lambda value: round(value, 3)) for name in NAMES}
)


@given(gram=gram(), strengths=strengths, limit=st.floats(0.1, 10))
def test_the_sum_is_within_the_limit_and_scaled_by_one_factor(gram, strengths, limit):
    held = capped(strengths, gram, limit=limit)
    norm = combined_norm(strengths, gram)
    assert combined_norm(held, gram) == pytest.approx(min(norm, limit), abs=1e-4)
    factor = min(1.0, limit / norm) if norm else 1.0
    assert held == pytest.approx({name: factor * value for name, value in strengths.items()}, abs=1e-4)


@given(gram=gram(), strengths=strengths, limit=st.floats(0.1, 10))
def test_what_is_held_keeps_its_strength(gram, strengths, limit):
    kept = {name: strengths[name] for name in ("a", "b")}
    scaled = capped(strengths, gram, limit=limit, held={"a", "b"})
    assert {name: scaled[name] for name in kept} == kept
    # Where the held ones alone fill the limit, the others get nothing.
    assert combined_norm(scaled, gram) <= max(limit, combined_norm(kept, gram)) + 1e-4


def test_without_a_limit_nothing_is_scaled_and_no_size_is_needed():
    assert capped({"a": 3.0}, {}, limit=None) == {"a": 3.0}


def test_an_unknown_size_is_refused():
    with pytest.raises(StrengthError, match="'a' is not known"):
        capped({"a": 3.0}, {}, limit=1.0)
