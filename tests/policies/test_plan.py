import pytest

from policies.check import check_policy
from policies.document import Policy
from policies.errors import (
    ConflictError,
    PolicyError,
    StrengthError,
    UnknownConceptError,
    UnknownMemberError,
    UnknownSetError,
)
from policies.plan import plan

SETS = {"gender": ("woman", "man"), "race": ("black", "white", "asian")}
RECOMMENDED = {"woman": 0.8, "man": 0.9, "black": 1.0, "white": 1.0, "asian": 1.0, "anti-sexual": 0.7}


def planned(document, seeds):
    return plan(Policy.model_validate(document), seeds=seeds, sets=SETS, recommended=RECOMMENDED)


def refused(document, *, sets=SETS, recommended=RECOMMENDED, max_strength=3.0) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        check_policy(
            Policy.model_validate(document), sets=sets, recommended=recommended, max_strength=max_strength
        )
    return caught.value


def test_each_image_gets_one_member_of_each_set_and_every_safety_concept():
    document = {"fairness": [{"set": "gender"}, {"set": "race"}], "safety": [{"concept": "anti-sexual"}]}
    for image in planned(document, range(20)):
        gender, race, safety = image.steering
        assert gender.concept in SETS["gender"]
        assert race.concept in SETS["race"]
        assert safety.concept == "anti-sexual"
        assert image.drawn == (gender.concept, race.concept)
        assert image.strengths == {
            gender.concept: RECOMMENDED[gender.concept],
            race.concept: 1.0,
            "anti-sexual": 0.7,
        }


def test_reasons_say_why():
    document = {
        "fairness": [{"set": "gender", "target": {"woman": 1.0}}],
        "safety": [{"concept": "anti-sexual"}],
    }
    (image,) = planned(document, [7])
    assert [steer.reason for steer in image.steering] == [
        "fairness: drawn from gender with probability 1",
        "safety: added to every image",
    ]


def test_given_strengths_replace_the_recommended_ones():
    document = {
        "fairness": [{"set": "gender", "strength": 0.5}],
        "safety": [{"concept": "anti-sexual", "strength": -1.5}],
    }
    (image,) = planned(document, [0])
    assert [steer.strength for steer in image.steering] == [0.5, -1.5]


def test_a_plan_depends_on_its_seed_and_not_on_its_neighbours():
    document = {"fairness": [{"set": "gender"}, {"set": "race"}]}
    together = planned(document, range(12))
    assert together == [planned(document, [seed])[0] for seed in range(12)]
    assert len({image.drawn for image in together}) > 1


def test_another_rule_does_not_change_a_draw():
    alone = planned({"fairness": [{"set": "race"}]}, range(12))
    beside = planned({"fairness": [{"set": "gender"}, {"set": "race"}]}, range(12))
    assert [image.drawn[0] for image in alone] == [image.drawn[1] for image in beside]


def test_without_rules_nothing_is_steered():
    (image,) = planned({}, [3])
    assert (image.seed, image.steering, image.strengths, image.drawn) == (3, (), {}, ())


def test_unknown_set_names_the_close_one():
    error = refused({"fairness": [{"set": "genders"}]})
    assert isinstance(error, UnknownSetError)
    assert error.field == "fairness.0.set"
    assert error.value == "genders"
    assert error.cure == "Did you mean 'gender'? There are: gender, race."


def test_unknown_concept_names_the_close_one():
    error = refused({"safety": [{"concept": "anti-sexual"}, {"concept": "anti-sex"}]})
    assert isinstance(error, UnknownConceptError)
    assert error.field == "safety.1.concept"
    assert "'anti-sexual'" in error.cure


def test_unknown_concept_in_an_empty_library():
    error = refused({"safety": [{"concept": "anti-sexual"}]}, recommended={})
    assert error.cure == "None are loaded."


def test_share_for_a_stranger_is_refused():
    error = refused({"fairness": [{"set": "gender", "target": {"woman": 0.5, "asian": 0.5}}]})
    assert isinstance(error, UnknownMemberError)
    assert (error.field, error.value) == ("fairness.0.target", "asian")


def test_a_member_that_could_be_drawn_needs_a_vector():
    only_woman = {"woman": 1.0}
    error = refused({"fairness": [{"set": "gender"}]}, recommended=only_woman)
    assert isinstance(error, UnknownConceptError)
    assert (error.field, error.value) == ("fairness.0.set", "man")
    check_policy(
        Policy.model_validate({"fairness": [{"set": "gender", "target": {"woman": 1.0, "man": 0.0}}]}),
        sets=SETS,
        recommended=only_woman,
    )


@pytest.mark.parametrize("strength", [3.5, -3.5])
def test_strength_beyond_the_limit_is_refused(strength):
    error = refused({"safety": [{"concept": "anti-sexual", "strength": strength}]})
    assert isinstance(error, StrengthError)
    assert (error.field, error.value) == ("safety.0.strength", strength)
    assert "between -3 and 3" in error.cure


def test_recommended_strength_beyond_the_limit_is_refused():
    error = refused({"fairness": [{"set": "gender"}]}, max_strength=0.85)
    assert isinstance(error, StrengthError)
    assert (error.field, error.value) == ("fairness.0.strength", 0.9)
    assert "recommended" in error.problem


@pytest.mark.parametrize(
    "document",
    [
        {"fairness": [{"set": "gender"}], "safety": [{"concept": "woman"}]},
        {"fairness": [{"set": "gender"}, {"set": "people"}]},
    ],
)
def test_a_concept_from_two_rules_is_refused(document):
    error = refused(document, sets={**SETS, "people": ("woman", "asian")})
    assert isinstance(error, ConflictError)
    assert error.value == "woman"
