import json

import pytest
from pydantic import ValidationError

from policies.document import Policy
from policies.errors import ConflictError, PolicyError, ProbabilityError, StrengthError, WordError

EXAMPLE = {
    "fairness": [{"set": "gender", "target": {"woman": 0.5, "man": 0.5}}],
    "safety": [{"concept": "anti-sexual", "strength": 1.0}, {"concept": "anti-violence"}],
}


def refusal(document: object) -> tuple[tuple[int | str, ...], PolicyError]:
    """The place and the error with which the document is refused."""
    with pytest.raises(ValidationError) as caught:
        Policy.model_validate(document)
    (problem,) = caught.value.errors()
    error = problem["ctx"]["error"]
    assert isinstance(error, PolicyError)
    return problem["loc"], error


def test_example_is_read_and_written_back_unchanged():
    policy = Policy.model_validate(EXAMPLE)
    assert policy.safety[0].strength == 1.0
    assert policy.safety[1].strength is None
    assert json.loads(policy.model_dump_json(exclude_defaults=True)) == EXAMPLE


def test_empty_policy_has_no_rules():
    assert Policy.model_validate({}) == Policy(fairness=(), safety=())


def test_the_digest_is_of_all_that_a_policy_says_and_not_of_how_it_is_written():
    policy = Policy.model_validate(EXAMPLE)
    written_out = Policy.model_validate(policy.model_dump(mode="json"))
    assert policy.digest == written_out.digest
    assert policy.digest.startswith("sha256:")
    others = [
        policy.model_copy(update={"name": "other"}),
        policy.model_copy(update={"max_norm": 1.0}),
        Policy(fairness=policy.fairness),
    ]
    assert len({policy.digest, *(other.digest for other in others)}) == 4


@pytest.mark.parametrize(
    "document",
    [
        {"fairnes": []},
        {"fairness": [{"set": "gender", "targets": {}}]},
        {"safety": [{"concept": "anti-sexual", "weight": 1}]},
        {"safety": [{"concept": "../secret"}]},
        {"fairness": [{"set": "gender", "target": {"woman": "1"}}]},
        {"safety": [{"concept": "anti-sexual", "strength": True}]},
        {"assignment": "random"},
        {"max_norm": 0.0},
        {"fairness": [{"set": "race", "cases": [{"given": {}, "shares": {"black": 1.0}}]}]},
        {"safety": [{"concept": "anti-sexual", "by": "vectors"}]},
        {"screen": {"attempts": 0}},
        {"sampling": {"schedulers": []}},
    ],
)
def test_unknown_keys_and_wrong_types_are_refused(document):
    with pytest.raises(ValidationError):
        Policy.model_validate(document)


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ({"woman": 0.5, "man": 0.4}, "sum to 0.9"),
        ({}, "sum to 0"),
        ({"woman": 1.5, "man": -0.5}, "-0.5 of 'man'"),
        ({"woman": float("nan"), "man": 0.5}, "nan of 'woman'"),
    ],
)
def test_shares_that_are_no_distribution_are_refused(target, named):
    place, error = refusal({"fairness": [{"set": "gender", "target": target}]})
    assert isinstance(error, ProbabilityError)
    assert named in error.problem
    assert "sum to 1" in error.cure
    assert place == ("fairness", 0, "target")


def test_rounded_thirds_are_accepted():
    thirds = {"black": 0.333, "white": 0.333, "asian": 0.333}
    policy = Policy.model_validate({"fairness": [{"set": "race", "target": thirds}]})
    assert policy.fairness[0].target == thirds


@pytest.mark.parametrize("strength", [0, 0.0, float("inf"), float("nan")])
def test_unusable_strength_is_refused(strength):
    place, error = refusal({"safety": [{"concept": "anti-sexual", "strength": strength}]})
    assert isinstance(error, StrengthError)
    assert place == ("safety", 0, "strength")


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"fairness": [{"set": "gender"}, {"set": "gender"}]}, "'gender'"),
        ({"safety": [{"concept": "anti-sexual"}, {"concept": "anti-sexual"}]}, "'anti-sexual'"),
    ],
)
def test_a_name_given_twice_is_refused(document, named):
    _, error = refusal(document)
    assert isinstance(error, ConflictError)
    assert named in error.problem


@pytest.mark.parametrize("leave", [1.0, -0.1, float("nan")])
def test_a_share_that_leaves_nothing_or_is_none_is_refused(leave):
    place, error = refusal({"fairness": [{"set": "gender", "leave": leave}]})
    assert isinstance(error, ProbabilityError)
    assert place == ("fairness", 0, "leave")


def test_a_case_depends_on_rules_above():
    case = {"given": {"gender": "woman"}, "shares": {"black": 1.0}}
    race = {"set": "race", "cases": [case]}
    Policy.model_validate({"fairness": [{"set": "gender"}, race]})
    for fairness in ([race, {"set": "gender"}], [race], [{**race, "set": "gender"}]):
        _, error = refusal({"fairness": fairness})
        assert isinstance(error, ConflictError)
        assert "'gender'" in error.problem


def test_empty_words_are_refused():
    _, error = refusal({"safety": [{"concept": "anti-sexual", "negative_prompt": " "}]})
    assert isinstance(error, WordError)


def test_a_version_needs_a_name():
    _, error = refusal({"version": 1})
    assert isinstance(error, ConflictError)
