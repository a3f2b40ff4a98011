import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.cells import MAX_CELLS, joint_target, rule_shares
from policies.document import FairnessRule
from policies.errors import TooManyCellsError

SETS = {"gender": ("woman", "man"), "race": ("black", "white", "asian")}
GENDER = FairnessRule(set="gender")
CASES = FairnessRule.model_validate(
    {
        "set": "race",
        "target": {"white": 1.0},
        "cases": [{"given": {"gender": "woman"}, "shares": {"black": 0.5, "asian": 0.5}}],
    }
)


def test_independent_rules_multiply():
    cells = joint_target([GENDER, FairnessRule(set="race")], SETS)
    assert cells == {
        (gender, race): pytest.approx(1 / 6) for gender in SETS["gender"] for race in SETS["race"]
    }


def test_a_case_holds_where_it_fits_and_the_target_elsewhere():
    assert joint_target([GENDER, CASES], SETS) == {
        ("woman", "black"): 0.25,
        ("woman", "asian"): 0.25,
        ("man", "white"): 0.5,
    }


def test_a_case_of_a_set_that_was_not_drawn_does_not_hold():
    assert joint_target([CASES], SETS) == {("white",): 1.0}
    assert joint_target([CASES], SETS, {"gender": "woman"}) == {("black",): 0.5, ("asian",): 0.5}


def test_the_first_case_that_fits_holds():
    rule = CASES.model_copy(
        update={"cases": (*CASES.cases, CASES.cases[0].model_copy(update={"shares": {}}))}
    )
    assert rule_shares(rule, SETS["race"], {"gender": "woman"}) == {"black": 0.5, "asian": 0.5}


def test_left_images_take_their_share_of_all():
    rule = FairnessRule(set="gender", leave=0.2, target={"woman": 0.75, "man": 0.25})
    assert joint_target([rule], SETS) == {
        ("woman",): pytest.approx(0.6),
        ("man",): pytest.approx(0.2),
        (None,): pytest.approx(0.2),
    }


@given(leave=st.floats(0, 0.99), woman=st.floats(0, 1))
def test_shares_sum_to_one(leave, woman):
    gender = FairnessRule(set="gender", leave=leave, target={"woman": woman, "man": 1 - woman})
    cells = joint_target([gender, CASES], SETS)
    assert sum(cells.values()) == pytest.approx(1)


def test_too_many_cells_are_refused():
    sets = {f"set{number}": tuple(f"m{number}-{member}" for member in range(4)) for number in range(5)}
    rules = [FairnessRule(set=name) for name in sets]
    assert len(joint_target(rules[:4], sets)) == MAX_CELLS
    with pytest.raises(TooManyCellsError, match="has 1024 combinations"):
        joint_target(rules, sets)
