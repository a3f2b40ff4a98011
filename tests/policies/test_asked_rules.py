"""What responsible phrases add to a policy, and that they never take anything from it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.cap import combined_norm
from policies.concepts import Concepts
from policies.document import Policy
from policies.image_plan import ImagePlan
from policies.memory_ledger import MemoryLedger
from policies.plan import plan
from policies.responsible_phrases import load_phrases

SETS = {"gender": ("woman", "man"), "race": ("black", "white", "asian")}
NAMES = ("woman", "man", "black", "white", "asian", "anti-sexual", "anti-violence", "smile")
PRODUCTS = {(one, other): 4.0 if one == other else 0.5 for one in NAMES for other in NAMES}
CONCEPTS = Concepts(SETS, dict.fromkeys(NAMES, 1.0), 3.0, {"anti-sexual": "sexual"}, PRODUCTS)
DOCTORS = "a diverse group of doctors, no blood"


def planned(prompt: str, seeds=(0,), concepts: Concepts = CONCEPTS, **document) -> list[ImagePlan]:
    floor = document.pop("floor", None)
    return plan(
        Policy.model_validate({"phrases": "steer", **document}),
        prompt,
        seeds=seeds,
        concepts=concepts,
        floor=floor and Policy.model_validate(floor),
    )


def concepts_of(image: ImagePlan) -> set[str]:
    return {steer.concept_set or steer.concept for steer in image.steering}


def test_phrases_add_what_they_ask_for_with_the_reason():
    (image,) = planned(DOCTORS)
    assert concepts_of(image) == {"gender", "race", "anti-violence"}
    gender, race, safety = image.steering
    assert gender.reason == (
        "fairness: one of gender with a share of 0.5, balanced in the request ('diverse' asks for fairness on gender "
        "and race; 'doctors': gender open; one draw for all of them, as a vector acts on the whole picture)"
    )
    assert race.by_phrase
    assert safety.reason == (
        "safety: 'no blood' asks for anti-violence; by the vector alone: it was learned without words for what it "
        "prevents"
    )


def test_words_are_joined_where_a_phrase_asks_for_a_concept_that_has_some():
    (image,) = planned("a doctor without sexual content")
    (steer,), (averted,) = image.steering, image.averted
    assert steer.reason == averted.reason == "safety: 'without sexual content' asks for anti-sexual"
    assert (averted.words, averted.by_phrase) == ("sexual", True)


def test_off_is_the_default_and_reads_nothing():
    (image,) = planned(DOCTORS, phrases="off")
    assert (image.steering, image.prompt, image.removed) == ((), DOCTORS, ())
    assert Policy().phrases == "off"


def test_members_are_even_over_a_request():
    drawn = [image.drawn for image in planned("a fair-gender doctor", range(10))]
    assert sorted(drawn) == [("man",)] * 5 + [("woman",)] * 5


@pytest.mark.parametrize(
    ("prompt", "model_reads"),
    [
        (DOCTORS, "a group of doctors"),
        ("a diverse, friendly team of nurses", "a friendly team of nurses"),
        ("a photo of a cat", "a photo of a cat"),
        ("no blood", "no blood"),
    ],
)
def test_the_model_reads_the_rest_where_the_policy_says_so(prompt, model_reads):
    (kept,) = planned(prompt)
    (removed,) = planned(prompt, phrases="steer-and-remove")
    assert (kept.prompt, kept.removed) == (prompt, ())
    assert removed.prompt == model_reads
    assert bool(removed.removed) == (prompt != model_reads)
    assert removed.steering == kept.steering


def test_what_is_stated_beside_a_phrase_stays_as_stated():
    (image,) = planned("a diverse group of female doctors")
    assert concepts_of(image) == {"race"}
    (skipped,) = image.skipped
    assert (skipped.concept_set, skipped.reason) == ("gender", "gender stated by 'female'")


def test_a_phrase_tells_of_people_where_no_word_is_for_a_person():
    (image,) = planned("a diverse group")
    assert concepts_of(image) == {"gender", "race"}
    (image,) = planned("a diverse group", phrases="off", fairness=[{"set": "gender"}])
    assert image.steering == ()


def test_the_gate_reads_the_policys_own_sets_without_the_phrases():
    policy = {"fairness": [{"set": "gender", "target": {"woman": 1.0}, "strength": 0.5}]}
    (off,) = planned("a diverse doctor", phrases="off", **policy)
    assert off.steering == ()
    (image,) = planned("a diverse doctor", **policy)
    assert image.strengths["woman"] == 0.5
    assert not image.steering[0].by_phrase


def test_a_rule_of_the_policys_own_stands():
    safety = [{"concept": "anti-violence", "strength": 0.3}]
    (image,) = planned("a battle, no blood", safety=safety)
    (steer,) = image.steering
    assert (steer.strength, steer.by_phrase) == (0.3, False)
    assert steer.reason.startswith(
        "safety: added to every image ('no blood' asks for anti-violence); by the vector"
    )


def test_what_cannot_be_followed_is_told_and_stays_in_the_text():
    without = Concepts(SETS, {name: 1.0 for name in NAMES if name != "anti-violence"}, 3.0)
    (image,) = planned(DOCTORS, concepts=without, phrases="steer-and-remove")
    assert concepts_of(image) == {"gender", "race"}
    assert image.prompt == DOCTORS
    (skipped,) = image.skipped
    assert skipped.reason == (
        "'no blood' asks for anti-violence, which cannot be followed: There is no vector for the concept "
        "'anti-violence' (a safety rule)."
    )


def test_a_phrase_that_would_go_against_the_floor_is_left_out():
    against = PRODUCTS | dict.fromkeys((("woman", "anti-sexual"), ("anti-sexual", "woman")), -2.0)
    concepts = Concepts(SETS, CONCEPTS.recommended, 3.0, products=against)
    floor = {"safety": [{"concept": "anti-sexual"}]}
    (image,) = planned("a fair-gender doctor", concepts=concepts, floor=floor)
    assert image.strengths == {"anti-sexual": 1.0}
    assert "points against 'anti-sexual' of the floor" in image.skipped[-1].reason


def test_a_floor_that_reads_phrases_cannot_be_told_not_to():
    (image,) = planned(DOCTORS, phrases="off", floor={"phrases": "steer-and-remove"})
    assert concepts_of(image) == {"gender", "race", "anti-violence"}
    assert image.prompt == "a group of doctors"


def test_prompts_about_the_same_people_are_counted_together():
    ledger = MemoryLedger()
    policy = Policy.model_validate(
        {"phrases": "steer", "fairness": [{"set": "gender"}], "assignment": "ledger"}
    )
    drawn = [
        plan(policy, prompt, seeds=[0], concepts=CONCEPTS, ledger=ledger)[0].drawn
        for prompt in ("a doctor", "a fair-gender doctor") * 3
    ]
    assert drawn[::2] != drawn[1::2]
    assert sorted(drawn) == [("man",)] * 3 + [("woman",)] * 3


phrased = st.sampled_from(
    [
        DOCTORS,
        "a fair-gender nurse",
        "a photo of a doctor of any race, without sexual content",
        "a diverse group",
    ]
)


@given(
    phrased,
    st.lists(st.sampled_from(["gender", "race"]), unique=True),
    st.lists(st.sampled_from(["anti-sexual", "anti-violence", "smile"]), unique=True),
    st.floats(1.0, 12.0),
)
def test_phrases_take_nothing_from_the_policy(prompt, sets, safety, max_norm):
    document = {
        "fairness": [{"set": name, "when": "always"} for name in sets],
        "safety": [{"concept": name} for name in safety],
        "max_norm": max_norm,
    }
    (off,) = planned(prompt, phrases="off", **document)
    (image,) = planned(prompt, **document)
    own = {steer.concept_set or steer.concept: steer.strength for steer in off.steering}
    now = {steer.concept_set or steer.concept: steer.strength for steer in image.steering}
    assert {name: now[name] for name in own} == pytest.approx(own)
    assert combined_norm(image.strengths, PRODUCTS) <= max_norm + 1e-6


def test_phrases_of_a_file_are_read_too(tmp_path):
    file = tmp_path / "phrases.yaml"
    file.write_text("safety: {concepts: {smile: {things: [frowns], adjectives: [frowning]}}}\n")
    policy = Policy(phrases="steer")
    (image,) = plan(policy, "a cat, no frowns", seeds=[0], concepts=CONCEPTS, phrases=load_phrases(file))
    assert image.strengths == {"smile": 1.0}
