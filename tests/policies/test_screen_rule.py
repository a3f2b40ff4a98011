import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from policies.cap import combined_norm
from policies.concepts import Concepts
from policies.document import Policy
from policies.errors import NoScreenError, UnknownCategoryError
from policies.image_plan import ImagePlan, Steer
from policies.plan import within_cap
from policies.retry import retry_plan, retry_seed
from policies.screen_rule import ScreenRule, check_screen

CLEAN, SEXUAL = (), ("sexual",)


@pytest.mark.parametrize(
    ("on_finding", "findings", "outcome"),
    [
        ("flag", [CLEAN], "passed"),
        ("flag", [SEXUAL], "flagged"),
        ("block", [CLEAN], "passed"),
        ("block", [SEXUAL], "blocked"),
        ("retry", [CLEAN], "passed"),
        ("retry", [SEXUAL], None),
        ("retry", [SEXUAL, CLEAN], "retried"),
        ("retry", [SEXUAL, SEXUAL], None),
        ("retry", [SEXUAL, SEXUAL, CLEAN], "retried"),
        ("retry", [SEXUAL, SEXUAL, SEXUAL], "blocked"),
    ],
)
def test_what_follows_from_what_was_found(on_finding, findings, outcome):
    assert ScreenRule(on_finding=on_finding, attempts=2).outcome(findings) == outcome


def test_a_policy_has_no_screen_unless_it_says_so():
    assert Policy().screen is None
    rule = Policy.model_validate({"screen": {}}).screen
    assert (rule.on_finding, rule.attempts, rule.categories, rule.stronger) == ("block", 2, None, 1.5)


@pytest.mark.parametrize(
    "bad",
    [
        {"on_finding": "blur"},
        {"attempts": 0},
        {"attempts": 6},
        {"stronger": 0.5},
        {"stronger": float("nan")},
        {"categories": []},
        {"categories": ["Sexual content"]},
        {"then": "block"},
    ],
)
def test_a_bad_rule_is_refused(bad):
    with pytest.raises(ValidationError):
        Policy.model_validate({"screen": bad})


def test_a_rule_that_no_detector_can_follow_is_refused():
    check_screen(None, ())
    check_screen(ScreenRule(), ("sexual",))
    check_screen(ScreenRule(categories=("sexual",)), ("sexual", "violent"))
    with pytest.raises(NoScreenError, match="Set screen_detector") as missing:
        check_screen(ScreenRule(), ())
    assert missing.value.field == "screen"
    with pytest.raises(UnknownCategoryError, match="Did you mean 'violent'") as unknown:
        check_screen(ScreenRule(categories=("sexual", "violence")), ("sexual", "violent"))
    assert unknown.value.field == "screen.categories.1"


FIRST = ImagePlan(
    7,
    "a photo of a doctor",
    (
        Steer("woman", 0.8, "fairness: drawn", concept_set="gender"),
        Steer("anti-sexual", 1.2, "safety: added to every image"),
        Steer("anti-violence", -2.0, "safety: added to every image"),
    ),
)


def test_a_retry_has_another_seed_and_stronger_safety_and_the_same_people():
    again = retry_plan(FIRST, 1, ScreenRule(on_finding="retry", stronger=2.0), max_strength=3.0)
    assert again.seed == retry_seed(7, 1) != 7
    assert again.strengths == {"woman": 0.8, "anti-sexual": 2.4, "anti-violence": -3.0}
    assert again.drawn == FIRST.drawn
    assert [steer.reason for steer in again.steering] == [
        "fairness: drawn",
        "safety: added to every image, 2 times as strong at retry 1",
        "safety: added to every image, 1.5 times as strong at retry 1",
    ]


@given(
    st.floats(0.01, 3).flatmap(lambda strength: st.sampled_from([strength, -strength])),
    st.floats(1, 10),
    st.integers(1, 5),
)
def test_a_retry_never_weakens_and_never_exceeds_the_limit(strength, stronger, retry):
    first = ImagePlan(7, "a doctor", (Steer("anti-sexual", strength, "safety"),))
    (steer,) = retry_plan(first, retry, ScreenRule(stronger=stronger), max_strength=3.0).steering
    assert abs(strength) <= abs(steer.strength) <= 3.0
    assert (steer.strength > 0) == (strength > 0)


def test_the_cap_holds_for_a_retry_too():
    norms = {"woman": 1.0, "anti-sexual": 2.0, "anti-violence": 2.0}
    concepts = Concepts(
        {}, dict.fromkeys(norms, 1.0), products={(name, name): norm**2 for name, norm in norms.items()}
    )
    policy = Policy(max_norm=5.0, screen=ScreenRule(on_finding="retry", stronger=3.0))
    again = retry_plan(FIRST, 1, policy.screen, max_strength=3.0)
    assert combined_norm(again.strengths, concepts.products) > 5
    capped = within_cap(again, policy, None, concepts)
    assert combined_norm(capped.strengths, concepts.products) == pytest.approx(5)
    assert capped.strengths["anti-sexual"] > FIRST.strengths["anti-sexual"]
    assert "to stay within the cap" in capped.steering[1].reason


def test_retry_seeds_are_fixed_and_collide_with_no_neighbour():
    """The images of a request have consecutive seeds; none of their retries may be one of them, or another's."""
    seeds = {retry_seed(seed, retry) for seed in range(200) for retry in range(1, 6)}
    assert len(seeds) == 1000
    assert seeds.isdisjoint(range(205))
    assert retry_seed(7, 1) == retry_seed(7, 1)
    assert all(0 <= seed < 2**32 for seed in seeds)
