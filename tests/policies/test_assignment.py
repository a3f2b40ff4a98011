import threading
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.assignment import Drawing, assign, draw
from policies.cells import joint_target, uniform_target
from policies.document import FairnessRule
from policies.memory_ledger import MemoryLedger

SETS = {"gender": ("woman", "man"), "race": ("black", "white", "asian")}
BOTH = (FairnessRule(set="gender"), FairnessRule(set="race"))
CONDITIONAL = (
    FairnessRule(set="gender", target={"woman": 0.4, "man": 0.6}),
    FairnessRule.model_validate(
        {
            "set": "race",
            "leave": 0.1,
            "cases": [{"given": {"gender": "woman"}, "shares": {"black": 0.5, "asian": 0.5}}],
        }
    ),
)

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


def cells_of(assigned) -> list[tuple[str | None, ...]]:
    return [tuple(one.members.values()) for one in assigned]


def test_independent_members_are_decided_by_the_seed_alone():
    drawing = Drawing("independent")
    together = assign(BOTH, range(20), SETS, drawing)
    assert cells_of(together) == [
        (
            draw(uniform_target(SETS["gender"]), seed, "gender"),
            draw(uniform_target(SETS["race"]), seed, "race"),
        )
        for seed in range(20)
    ]
    assert together == [assign(BOTH, [seed], SETS, drawing)[0] for seed in range(20)]


@pytest.mark.parametrize("rules", [BOTH, CONDITIONAL])
def test_independent_cells_come_as_often_as_the_joint_target_says(rules):
    count = 6000
    seen = Counter(cells_of(assign(rules, range(count), SETS, Drawing("independent"))))
    target = joint_target(rules, SETS)
    assert seen.keys() == target.keys()
    for cell, share in target.items():
        assert seen[cell] / count == pytest.approx(share, abs=0.03)


def test_balanced_members_are_even_within_a_request():
    assigned = assign(BOTH, range(7, 19), SETS, Drawing("balanced"))
    assert set(Counter(cells_of(assigned)).values()) == {2}
    assert assigned == assign(BOTH, range(7, 19), SETS, Drawing("balanced"))
    assert cells_of(assigned) != cells_of(assign(BOTH, range(8, 20), SETS, Drawing("balanced")))


def test_balanced_shares_tell_what_holds_in_the_case():
    for one in assign(CONDITIONAL, range(20), SETS, Drawing("balanced")):
        is_woman = one.members["gender"] == "woman"
        assert one.shares["gender"] == pytest.approx(0.4 if is_woman else 0.6)
        named = 0.45 if is_woman else 0.3
        assert one.shares["race"] == pytest.approx(0.1 if one.members["race"] is None else named)


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=30), rules=st.sampled_from([BOTH, CONDITIONAL]))
def test_the_ledger_stays_within_a_few_images_of_the_target_over_requests(sizes, rules):
    """So the shares converge as 1/n: for cells, and for members of each set."""
    drawing = Drawing("ledger")
    seen: Counter[tuple[str | None, ...]] = Counter()
    target = joint_target(rules, SETS)
    for size in sizes:
        seen.update(cells_of(assign(rules, range(size), SETS, drawing)))
        for cell, share in target.items():
            assert abs(seen[cell] - share * seen.total()) < 2
        for place, name in enumerate(("gender", "race")):
            for member in SETS[name]:
                of_member = sum(number for cell, number in seen.items() if cell[place] == member)
                share = sum(part for cell, part in target.items() if cell[place] == member)
                assert abs(of_member - share * seen.total()) < 3


def test_the_ledger_converges_as_one_over_n_where_draws_do_as_one_over_its_root():
    def deviation(assignment: str, count: int) -> float:
        drawing = Drawing(assignment)
        seen = Counter(
            cell for seed in range(count) for cell in cells_of(assign(BOTH, [seed], SETS, drawing))
        )
        return max(abs(seen[cell] / count - 1 / 6) for cell in joint_target(BOTH, SETS))

    for count in (60, 301, 1000):
        assert deviation("ledger", count) <= 1 / count
    assert deviation("independent", 1000) > 5 / 1000


def test_the_ledger_is_correct_under_concurrency():
    drawing = Drawing("ledger")
    seen: list[tuple[str | None, ...]] = []

    def caller() -> None:
        for _ in range(20):
            seen.extend(cells_of(assign(BOTH, range(3), SETS, drawing)))

    threads = [threading.Thread(target=caller) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(Counter(seen).values()) == {60}


def test_what_is_counted_can_be_given_back():
    ledger = MemoryLedger()
    drawing = Drawing("ledger", ledger)
    (failed,) = assign(BOTH, [0], SETS, drawing)
    ledger.give_back(failed.counted.key, [failed.counted.member])
    (again,) = assign(BOTH, [1], SETS, drawing)
    assert again == failed


def test_groups_do_not_all_begin_with_the_same_member():
    firsts = Counter(
        assign(BOTH, [0], SETS, Drawing("ledger", key=lambda sets, context, group=group: f"{group}"))[
            0
        ].members["gender"]
        for group in range(200)
    )
    assert min(firsts.values()) > 60


@pytest.mark.parametrize("assignment", ["independent", "balanced", "ledger"])
def test_cases_may_depend_on_what_was_drawn_before(assignment):
    drawn: list[Mapping[str, str | None]] = [{"gender": "woman", "hair": None}, {"gender": "man"}] * 10
    assigned = assign(CONDITIONAL[1:], range(20), SETS, Drawing(assignment), drawn)
    of_women = Counter(one.members["race"] for one in assigned[::2])
    of_men = Counter(one.members["race"] for one in assigned[1::2])
    assert "white" not in of_women
    assert of_men["white"] > 0
    if assignment != "independent":
        assert abs(of_women["black"] - of_women["asian"]) <= 1
        assert of_women[None] == of_men[None] == 1


@pytest.mark.parametrize("assignment", ["independent", "balanced", "ledger"])
def test_without_rules_nobody_gets_anything(assignment):
    assert cells_of(assign((), range(3), SETS, Drawing(assignment))) == [()] * 3
