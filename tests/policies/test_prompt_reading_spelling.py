from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.prompt_reading.lexicon import load_lexicon
from policies.prompt_reading.spelling import corrected, distance
from policies.prompt_reading.tokens import tokenised

words = st.text("abc", max_size=6)


def defined(one: str, other: str) -> int:
    """The distance by its definition, front to front, to compare with."""

    @cache
    def rest(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        costs = [rest(i - 1, j) + 1, rest(i, j - 1) + 1, rest(i - 1, j - 1) + (one[i - 1] != other[j - 1])]
        if i > 1 and j > 1 and one[i - 2 : i] == other[j - 2 : j][::-1]:
            costs.append(rest(i - 2, j - 2) + 1)
        return min(costs)

    return rest(len(one), len(other))


@given(words, words)
def test_distance_is_the_defined_one(one: str, other: str) -> None:
    assert distance(one, other) == defined(one, other) == distance(other, one)


@pytest.mark.parametrize(
    ("one", "other", "slips"),
    [("nusre", "nurse", 1), ("docter", "doctor", 1), ("sientist", "scientist", 1), ("", "ab", 2)],
)
def test_distance_counts_slips(one: str, other: str, slips: int) -> None:
    assert distance(one, other) == slips


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("docter", "doctor"),
        ("docters", "doctor"),
        ("asain", "asian"),
        ("forest", "forest"),  # a word of its own, near to "florist"
        ("nrs", "nrs"),  # too short to say
        ("qqqqqqq", "qqqqqqq"),
    ],
)
def test_only_unknown_words_are_put_right(typed: str, read: str) -> None:
    tokens = tokenised(typed)
    corrected(tokens, load_lexicon(), capitals_mean_names=True)
    assert [token.word for token in tokens] == [read]


def test_a_capital_that_means_a_name_is_kept() -> None:
    for means_name, word in ((True, "docter"), (False, "doctor")):
        tokens = tokenised("Docter")
        corrected(tokens, load_lexicon(), capitals_mean_names=means_name)
        assert tokens[0].word == word
