"""Two floors as one: nothing that either holds is lost, whatever a request's own policy says."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.concepts import Concepts
from policies.document import Policy, SamplingRule
from policies.errors import FloorUnmetError, PolicyError
from policies.floor import check_floor, under_floor
from policies.joint_floor import joint_floor
from policies.safety_words import words_of

SETS = {"gender": ("woman", "man"), "race": ("black", "white")}
NAMES = ("woman", "man", "black", "white", "anti-sexual", "anti-violence", "lewd", "smile")
PRODUCTS = {(one, other): 1.0 if one == other else 0.1 for one in NAMES for other in NAMES}
PRODUCTS |= dict.fromkeys((("lewd", "anti-sexual"), ("anti-sexual", "lewd")), -0.9)
CONCEPTS = Concepts(
    SETS, dict.fromkeys(NAMES, 1.0), 3.0, {"anti-sexual": "sexual", "anti-violence": "violent"}, PRODUCTS
)


def policy(**document: object) -> Policy:
    return Policy.model_validate(document)


def joined(service: Policy | None, tenant: Policy | None) -> Policy | None:
    return joint_floor(service, tenant, CONCEPTS)


SAFE = policy(name="safe", version=3, safety=[{"concept": "anti-sexual", "strength": 1.5}])
EVEN = policy(name="even", version=1, fairness=[{"set": "gender"}], assignment="ledger")


def test_one_floor_stays_as_it_is():
    assert joined(None, None) is None
    assert joined(SAFE, None) is joined(None, SAFE) is joined(SAFE, SAFE) is SAFE


def test_both_hold_and_the_name_says_so():
    both = joined(SAFE, EVEN)
    assert both is not None
    assert (both.safety, both.fairness, both.assignment) == (SAFE.safety, EVEN.fairness, "ledger")
    assert (both.name, both.version) == ("safe-and-even", None)
    assert Policy.model_validate_json(both.model_dump_json()) == both
    assert both.digest not in (SAFE.digest, EVEN.digest)


def test_a_service_that_draws_is_drawn_by_the_ledger_under_a_tenant_that_does_not():
    both = joined(EVEN, SAFE)
    assert both is not None
    assert both.assignment == "ledger"
    check_floor(both, CONCEPTS)


@pytest.mark.parametrize("names", [("safe", None), (None, "calm"), ("s" * 40, "c" * 40)])
def test_where_a_name_is_missing_or_too_long_there_is_none(names):
    service, tenant = (policy(name=name, safety=[{"concept": "smile"}]) for name in names)
    assert joined(service, tenant.model_copy(update={"phrases": "steer"})).name is None


@pytest.mark.parametrize(
    ("tenant", "field", "problem"),
    [
        (policy(safety=[{"concept": "anti-sexual", "strength": -1.0}]), "safety.0.strength", "turn it round"),
        (policy(safety=[{"concept": "lewd"}]), "safety.0.concept", "points against"),
        (policy(safety=[{"concept": "anti-hate"}]), "safety.0.concept", "no vector"),
        (policy(fairness=[{"set": "gender"}]), "assignment", "look for a seed"),
        (policy(max_norm=2.0), "max_norm", "scale down"),
    ],
)
def test_a_tenants_floor_that_cannot_be_held_on_the_services_is_refused(tenant, field, problem):
    with pytest.raises(FloorUnmetError) as refused:
        joined(SAFE, tenant)
    assert refused.value.field == field
    assert problem in refused.value.problem


def test_a_service_that_cannot_be_held_is_refused_as_such():
    with pytest.raises(FloorUnmetError, match="The floor cannot be followed"):
        joined(policy(fairness=[{"set": "age"}], assignment="ledger"), SAFE)


def test_a_tenants_cap_may_be_the_services_or_larger_or_over_nothing():
    capped = SAFE.model_copy(update={"max_norm": 2.0})
    assert joined(capped, policy(max_norm=3.0)).max_norm == 2.0
    assert joined(capped, policy(max_norm=2.0)).max_norm == 2.0
    words_only = policy(safety=[{"concept": "anti-sexual", "by": "negative_prompt"}])
    assert joined(words_only, policy(max_norm=1.0)).max_norm == 1.0


def test_guidance_that_one_floor_holds_without_saying_so_is_held():
    """A service's floor that allows any guidance does not take from a tenant's, which would hold 2 by itself."""
    anything = SAFE.model_copy(update={"sampling": SamplingRule(min_guidance_scale=0.0)})
    for service, tenant in ((anything, EVEN), (EVEN, anything)):
        assert under_floor(Policy(), joined(service, tenant), CONCEPTS).sampling.min_guidance_scale == 2.0
    assert under_floor(Policy(), anything, CONCEPTS).sampling.min_guidance_scale == 0.0


safety = st.lists(
    st.fixed_dictionaries(
        {"concept": st.sampled_from(("anti-sexual", "anti-violence", "smile"))},
        optional={
            "strength": st.sampled_from((0.5, 1.0, 2.0)),
            "by": st.sampled_from((None, "vector", "negative_prompt", "both")),
            "negative_prompt": st.sampled_from(("bad", "worse")),
        },
    ),
    max_size=2,
    unique_by=lambda rule: rule["concept"],
)
documents = st.fixed_dictionaries(
    {"safety": safety, "assignment": st.just("ledger")},
    optional={
        "fairness": st.lists(
            st.sampled_from(({"set": "gender"}, {"set": "race"}, {"set": "gender", "target": {"man": 1.0}})),
            max_size=2,
            unique_by=lambda rule: rule["set"],
        ),
        "max_norm": st.sampled_from((2.0, 4.0)),
        "sampling": st.sampled_from(
            (
                {"min_steps": 10},
                {"min_guidance_scale": 4.0},
                {"min_guidance_scale": 0.0},
                {"schedulers": ["ddim", "euler"]},
                {},
            )
        ),
        "phrases": st.sampled_from(("off", "steer", "steer-and-remove")),
        "screen": st.sampled_from(
            (
                {"on_finding": "flag"},
                {"on_finding": "block", "categories": ["sexual"]},
                {"on_finding": "retry"},
            )
        ),
    },
)


def resolved(document: Policy) -> dict[str, tuple[object, ...]]:
    """What a policy's safety rules come to: concept -> strength, ways and words."""
    return {
        rule.concept: (CONCEPTS.strength(rule.concept, rule.strength), rule.by, words_of(rule, CONCEPTS))
        for rule in document.safety
    }


@settings(max_examples=300, deadline=None)
@given(service=documents, tenant=documents, own=documents)
def test_what_holds_under_both_is_no_less_than_what_holds_under_each(service, tenant, own):
    service, tenant, own = (policy(**document) for document in (service, tenant, own))
    try:
        both = joined(service, tenant)
        in_force = under_floor(own, both, CONCEPTS)
    except PolicyError:
        return
    check_floor(both, CONCEPTS)
    for floor in (service, tenant):
        # Holding a floor once more changes nothing where it is held already.
        again = under_floor(in_force, floor, CONCEPTS)
        assert resolved(again) == resolved(in_force)
        assert {rule.set: rule for rule in again.fairness} == {rule.set: rule for rule in in_force.fairness}
        assert (again.max_norm, again.phrases) == (in_force.max_norm, in_force.phrases)
        assert again.sampling == in_force.sampling
        if floor.screen is not None:
            assert in_force.screen is not None
            assert (in_force.screen.on_finding == "flag") <= (floor.screen.on_finding == "flag")
            assert in_force.screen.categories is None or set(floor.screen.categories or ()) <= set(
                in_force.screen.categories
            )
