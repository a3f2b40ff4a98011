from collections import Counter

import pytest

from policies.check import check_policy
from policies.concepts import Concepts
from policies.document import Policy
from policies.errors import (
    ConflictError,
    PolicyError,
    StrengthError,
    UnknownConceptError,
    UnknownMemberError,
    UnknownSetError,
    WordError,
)
from policies.gate import Decision
from policies.image_plan import joined_negative_prompt, without_asked_words
from policies.memory_ledger import MemoryLedger
from policies.plan import plan

SETS = {"gender": ("woman", "man"), "race": ("black", "white", "asian")}
RECOMMENDED = {"woman": 0.8, "man": 0.9, "black": 1.0, "white": 1.0, "asian": 1.0, "anti-sexual": 0.7}


CONCEPTS = Concepts(SETS, RECOMMENDED, words={"anti-sexual": "sexual"})


def planned(document, seeds, prompt="a photo of a doctor", **options):
    return plan(Policy.model_validate(document), prompt, seeds=seeds, concepts=CONCEPTS, **options)


def refused(document, *, sets=SETS, recommended=RECOMMENDED, max_strength=3.0) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        check_policy(Policy.model_validate(document), Concepts(sets, recommended, max_strength))
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
        "fairness: one of gender with a share of 1, balanced in the request ('doctor': gender open)",
        "safety: added to every image",
    ]


def test_given_strengths_replace_the_recommended_ones():
    document = {
        "fairness": [{"set": "gender", "strength": 0.5}],
        "safety": [{"concept": "anti-sexual", "strength": -1.5}],
    }
    (image,) = planned(document, [0])
    assert [steer.strength for steer in image.steering] == [0.5, -1.5]


def test_an_independent_plan_depends_on_its_seed_and_not_on_its_neighbours():
    document = {"fairness": [{"set": "gender"}, {"set": "race"}], "assignment": "independent"}
    together = planned(document, range(12))
    assert together == [planned(document, [seed])[0] for seed in range(12)]
    assert len({image.drawn for image in together}) > 1


def test_another_rule_does_not_change_an_independent_draw():
    race = {"set": "race"}
    alone = planned({"fairness": [race], "assignment": "independent"}, range(12))
    beside = planned({"fairness": [{"set": "gender"}, race], "assignment": "independent"}, range(12))
    assert [image.drawn[0] for image in alone] == [image.drawn[1] for image in beside]


def test_counts_of_a_request_are_even_by_default():
    images = planned({"fairness": [{"set": "gender"}, {"set": "race"}]}, range(5, 17))
    assert set(Counter(image.drawn for image in images).values()) == {2}


def test_what_the_prompt_states_is_not_drawn():
    (image,) = planned({"fairness": [{"set": "gender"}, {"set": "race"}]}, [7], "a photo of a female doctor")
    assert len(image.drawn) == 1
    assert image.drawn[0] in SETS["race"]
    (skipped,) = image.skipped
    assert skipped.concept_set == "gender"
    assert "female" in skipped.reason


def test_images_that_are_left_say_so():
    images = planned({"fairness": [{"set": "gender", "leave": 0.5}]}, range(4))
    left = [image for image in images if not image.steering]
    assert len(left) == 2
    for image in left:
        assert image.skipped[0].reason.startswith(
            "left as it is, balanced in the request, with a share of 0.5"
        )


def test_prompts_about_the_same_people_are_counted_together():
    ledger = MemoryLedger()
    document = {"fairness": [{"set": "gender"}, {"set": "race"}], "assignment": "ledger"}
    prompts = ["a photo of a doctor", "portrait of a doctor", "two doctors"]
    drawn = Counter(
        planned(document, [0], prompt, ledger=ledger)[0].drawn for prompt in prompts for _ in range(4)
    )
    assert set(drawn.values()) == {2}


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "a photo of a nurse"},
        {"prompt": "a photo of a female doctor"},
        {"tenant": "other"},
        {"document": {"fairness": [{"set": "race"}], "assignment": "ledger"}},
        {"group_of": lambda _prompt: "others"},
    ],
)
def test_others_are_counted_apart(changes):
    document = {"fairness": [{"set": "gender"}, {"set": "race"}], "assignment": "ledger"}
    ledger = MemoryLedger()
    (one,) = planned(document, [0], ledger=ledger)
    options = {"prompt": "a photo of a doctor", **changes}
    (other,) = planned(options.pop("document", document), [0], ledger=ledger, **options)
    assert one.counted[0].key != other.counted[0].key


def test_words_go_into_the_negative_prompt():
    document = {
        "safety": [
            {"concept": "anti-sexual", "by": "both"},
            {"concept": "black", "by": "negative_prompt", "negative_prompt": "grey hair"},
        ]
    }
    (image,) = planned(document, [0])
    assert image.strengths == {"anti-sexual": 0.7}
    assert [(one.concept, one.words) for one in image.averted] == [
        ("anti-sexual", "sexual"),
        ("black", "grey hair"),
    ]
    assert joined_negative_prompt(image.words, "ugly") == "sexual, grey hair, ugly"
    assert joined_negative_prompt(image.words, "sexual") == "sexual, grey hair"
    assert joined_negative_prompt(image.words, " ") == "sexual, grey hair"
    assert joined_negative_prompt((), "ugly") == "ugly"
    assert joined_negative_prompt((), "") == ""


@pytest.mark.parametrize("by", ["negative_prompt", "both"])
def test_a_concept_without_words_cannot_go_into_the_negative_prompt(by):
    error = refused({"safety": [{"concept": "anti-sexual", "by": by}]})
    assert isinstance(error, WordError)
    assert error.field == "safety.0.negative_prompt"


def test_by_default_a_concept_acts_by_its_vector_and_by_its_words():
    (image,) = planned({"safety": [{"concept": "anti-sexual"}]}, [0])
    assert image.strengths == {"anti-sexual": 0.7}
    assert [(one.concept, one.words) for one in image.averted] == [("anti-sexual", "sexual")]
    assert (image,) == tuple(planned({"safety": [{"concept": "anti-sexual", "by": "both"}]}, [0]))


@pytest.mark.parametrize(
    ("rule", "unread", "why"),
    [
        ({"concept": "anti-sexual"}, "at guidance 1 none is read", "at guidance 1 none is read"),
        (
            {"concept": "black"},
            None,
            "it was learned without words for what it prevents",
        ),
        (
            {"concept": "anti-sexual", "strength": -1.0},
            None,
            "its strength is negative, and the words that it was learned with are for the opposite",
        ),
    ],
)
def test_where_words_cannot_act_the_vector_does_it_alone_and_says_why(rule, unread, why):
    (image,) = planned({"safety": [rule]}, [0], unread=unread)
    assert image.averted == ()
    (steer,) = image.steering
    assert steer.reason == f"safety: added to every image; by the vector alone: {why}"
    (alone,) = planned({"safety": [{**rule, "by": "vector"}]}, [0], unread=unread)
    assert (alone.strengths, alone.averted) == (image.strengths, ())
    assert alone.steering[0].reason == "safety: added to every image"


def test_a_phrase_whose_vector_needs_guidance_is_passed_over_without_it_and_says_why():
    document = Policy.model_validate({"phrases": "steer"})
    concepts = Concepts(
        SETS,
        {**RECOMMENDED, "anti-violence": 1.0},
        words={"anti-violence": "violent"},
        guided_only={"anti-violence"},
    )
    asked = {"seeds": [0], "concepts": concepts}
    (guided,) = plan(document, "a doctor, no blood", **asked)
    assert guided.strengths == {"anti-violence": 1.0}
    assert [one.words for one in guided.averted] == ["violent"]
    (unguided,) = plan(document, "a doctor, no blood", **asked, unread="at guidance 1 none is read")
    assert (unguided.steering, unguided.averted) == ((), ())
    assert (
        Decision(
            "anti-violence",
            False,
            "its vector acts where a negative prompt is, and at guidance 1 none is read",
        )
        in unguided.skipped
    )


def test_words_of_a_rules_own_go_with_a_negative_strength():
    rule = {"concept": "black", "strength": -1.0, "negative_prompt": "black and white photo"}
    (image,) = planned({"safety": [rule]}, [0])
    assert [one.words for one in image.averted] == ["black and white photo"]
    assert image.strengths == {"black": -1.0}


def test_words_that_only_the_prompt_asks_for_can_be_left_out():
    document = {"safety": [{"concept": "anti-sexual"}], "phrases": "steer"}
    concepts = Concepts(
        SETS,
        {**RECOMMENDED, "anti-violence": 1.0},
        words={"anti-sexual": "sexual", "anti-violence": "violent"},
    )
    (image,) = plan(Policy.model_validate(document), "a doctor, no blood", seeds=[0], concepts=concepts)
    assert [one.words for one in image.averted] == ["sexual", "violent"]
    without = without_asked_words(image)
    assert [one.words for one in without.averted] == ["sexual"]
    assert without.strengths == image.strengths == {"anti-sexual": 0.7, "anti-violence": 1.0}
    assert without.skipped[-1].reason == "no room for 'violent' in the negative prompt"


def test_members_of_a_case_need_a_vector_and_a_place_in_the_set():
    case = {"given": {"gender": "woman"}, "shares": {"asian": 1.0}}
    document = {"fairness": [{"set": "gender"}, {"set": "race", "target": {"black": 1.0}, "cases": [case]}]}
    without = dict.fromkeys(("woman", "man", "black", "white"), 1.0)
    assert refused(document, recommended=without).value == "asian"
    case["given"] = {"gender": "asian"}
    assert refused(document).field == "fairness.1.cases.0.given"


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
        Concepts(SETS, only_woman),
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
