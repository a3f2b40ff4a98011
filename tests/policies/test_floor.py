"""Every field of a policy is tried as a way round the floor; a new field fails here until it is tried too."""

from collections import Counter
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from policies.concepts import Concepts
from policies.document import FairnessRule, Policy, SafetyRule, SamplingRule
from policies.errors import ConflictError, FloorError, FloorUnmetError
from policies.floor import check_floor, held_concepts, under_floor
from policies.image_plan import ImagePlan
from policies.memory_ledger import MemoryLedger
from policies.plan import plan
from policies.safety_words import words_of
from policies.screen_rule import ScreenRule

SETS = {"gender": ("woman", "man"), "race": ("black", "white"), "people": ("woman", "old")}
NAMES = (
    "woman",
    "man",
    "black",
    "white",
    "old",
    "anti-sexual",
    "anti-violence",
    "lewd",
    "smile",
    "elsewhere",
)
PRODUCTS = {(one, other): 1.0 if one == other else 0.1 for one in NAMES for other in NAMES}
PRODUCTS |= dict.fromkeys((("lewd", "anti-sexual"), ("anti-sexual", "lewd")), -0.9)
PRODUCTS |= dict.fromkeys((("woman", "man"), ("man", "woman"), ("old", "man"), ("man", "old")), -0.2)
PRODUCTS = {pair: product for pair, product in PRODUCTS.items() if pair.count("elsewhere") != 1}
CONCEPTS = Concepts(
    SETS, dict.fromkeys(NAMES, 1.0), 3.0, {"anti-sexual": "sexual", "anti-violence": "violent"}, PRODUCTS
)

FLOOR = Policy.model_validate(
    {
        "name": "floor",
        "fairness": [{"set": "gender"}],
        "assignment": "ledger",
        "safety": [
            {"concept": "anti-sexual", "by": "both", "strength": 1.5},
            {"concept": "anti-violence"},
        ],
        "max_norm": 5.0,
        "sampling": {"min_guidance_scale": 3.0, "min_steps": 10, "schedulers": ["ddim", "euler"]},
        "screen": {"on_finding": "block", "categories": ["sexual"]},
    }
)
HELD = {"anti-sexual": 1.5, "anti-violence": 1.0}
HELD_WORDS = {"anti-sexual": "sexual", "anti-violence": "violent"}

# Field -> what is tried with it. None: it names nothing that could touch what the floor does.
ATTEMPTS: dict[str, list[dict[str, object]]] = {
    "Policy.name": [{"name": "floor"}],
    "Policy.version": [{"name": "floor", "version": 9}],
    "Policy.description": [{"description": f"another policy, counted anew {number}"} for number in range(3)],
    "Policy.fairness": [
        {"fairness": []},
        {"fairness": [{"set": "gender"}]},
        {"fairness": [{"set": "race"}]},
    ],
    "Policy.assignment": [{"assignment": way} for way in ("independent", "balanced", "ledger")],
    "Policy.safety": [{"safety": []}, {"safety": [{"concept": "smile", "strength": 3.0}]}],
    "Policy.max_norm": [
        {"max_norm": 0.001},
        {"max_norm": 100.0, "safety": [{"concept": "smile", "strength": 3.0}]},
        {"max_norm": 2.0, "safety": [{"concept": "smile", "strength": 3.0}]},
    ],
    "Policy.sampling": [{"sampling": {}}],
    "Policy.phrases": [{"phrases": way} for way in ("off", "steer", "steer-and-remove")],
    "Policy.screen": [{"screen": None}, {"screen": {}}],
    "FairnessRule.set": [{"fairness": [{"set": "people"}]}],
    "FairnessRule.target": [{"fairness": [{"set": "gender", "target": {"man": 1.0}}]}],
    "FairnessRule.cases": [
        {
            "fairness": [
                {"set": "race"},
                {"set": "gender", "cases": [{"given": {"race": "black"}, "shares": {"man": 1.0}}]},
            ]
        }
    ],
    "Case.given": [
        {
            "fairness": [
                {"set": "gender"},
                {"set": "race", "cases": [{"given": {"gender": "woman"}, "shares": {"white": 1.0}}]},
            ]
        }
    ],
    "Case.shares": [
        {
            "fairness": [
                {"set": "gender"},
                {"set": "people", "cases": [{"given": {"gender": "man"}, "shares": {"woman": 1.0}}]},
            ]
        }
    ],
    "FairnessRule.leave": [{"fairness": [{"set": "gender", "leave": 0.99}]}],
    "FairnessRule.strength": [
        {"fairness": [{"set": "gender", "strength": strength}]} for strength in (0.01, -1.0)
    ]
    + [{"fairness": [{"set": "race", "strength": -3.0}]}],
    "FairnessRule.when": [{"fairness": [{"set": "gender", "when": "always"}]}],
    "SafetyRule.concept": [
        {"safety": [{"concept": "lewd"}]},
        {"safety": [{"concept": "elsewhere"}]},
        {"safety": [{"concept": "woman"}]},
        {"safety": [{"concept": "old"}]},
    ],
    "SafetyRule.strength": [
        {"safety": [{"concept": concept, "strength": strength}]}
        for concept in ("anti-sexual", "anti-violence", "smile", "lewd", "elsewhere")
        for strength in (-3.0, -1.5, -0.001, 0.001, 3.0)
    ],
    "SafetyRule.by": [
        {"safety": [{"concept": concept, "by": way, "negative_prompt": None}]}
        for concept in ("anti-sexual", "anti-violence")
        for way in (None, "vector", "negative_prompt", "both")
    ]
    + [
        {"safety": [{"concept": "anti-violence", "by": way, "strength": strength}]}
        for way in (None, "vector", "negative_prompt")
        for strength in (-1.0, 0.001, 3.0)
    ],
    "SafetyRule.negative_prompt": [
        {"safety": [{"concept": concept, "by": way, "negative_prompt": "clothes"}]}
        for concept in ("anti-sexual", "anti-violence")
        for way in (None, "vector", "negative_prompt", "both")
    ]
    + [
        {"safety": [{"concept": "smile", "by": "negative_prompt", "negative_prompt": "not"}]},
    ],
    "SamplingRule.min_guidance_scale": [{"sampling": {"min_guidance_scale": 0.0}}],
    "SamplingRule.min_steps": [{"sampling": {"min_steps": 1}}],
    "SamplingRule.schedulers": [
        {"sampling": {"schedulers": ["lcm"]}},
        {"sampling": {"schedulers": ["lcm", "ddim"]}},
    ],
    "ScreenRule.on_finding": [{"screen": {"on_finding": way}} for way in ("flag", "retry")],
    "ScreenRule.attempts": [{"screen": {"on_finding": "retry", "attempts": 5}}],
    "ScreenRule.categories": [{"screen": {"categories": ["violent"]}}],
    "ScreenRule.stronger": [{"screen": {"stronger": 1.0}}],
}


def fields_of(model: type[BaseModel]) -> set[str]:
    """Every field of a model and of the models within it, as "Model.field"."""
    found = set()
    for name, field in model.model_fields.items():
        found.add(f"{model.__name__}.{name}")
        annotations = [field.annotation]
        while annotations:
            one = annotations.pop()
            annotations += get_args(one)
            if isinstance(one, type) and issubclass(one, BaseModel):
                found |= fields_of(one)
    return found


def test_every_field_is_tried():
    assert fields_of(Policy) == ATTEMPTS.keys()


@pytest.mark.parametrize(
    "document", [document for documents in ATTEMPTS.values() for document in documents], ids=str
)
def test_no_policy_gets_round_the_floor(document):
    policy = Policy.model_validate(document)
    try:
        in_force = under_floor(policy, FLOOR, CONCEPTS)
    except (FloorError, ConflictError):
        with pytest.raises((FloorError, ConflictError), match=r"Leave|Name it in one place"):
            planned(policy, MemoryLedger())
        return
    ledger = MemoryLedger()
    genders: Counter[str] = Counter()
    for _ in range(6):
        image = planned(policy, ledger)
        for concept, strength in HELD.items():
            assert image.strengths[concept] >= strength
        assert {one.concept: one.words for one in image.averted}.items() >= HELD_WORDS.items()
        (gender,) = image.strengths.keys() & {"woman", "man"}
        assert image.strengths[gender] == 1.0
        genders[gender] += 1
    assert genders == {"woman": 3, "man": 3}
    sampling, screen = in_force.sampling, in_force.screen
    assert sampling.min_guidance_scale >= 3
    assert sampling.min_steps >= 10
    assert set(sampling.schedulers) <= {"ddim", "euler"}
    assert screen.on_finding == "block"
    assert screen.categories is None or "sexual" in screen.categories


def planned(policy: Policy, ledger: MemoryLedger) -> ImagePlan:
    (image,) = plan(policy, "a photo of a doctor", seeds=[0], concepts=CONCEPTS, floor=FLOOR, ledger=ledger)
    return image


def test_the_count_of_the_floors_sets_goes_on_under_every_policy():
    """Another document in each request does not begin the floor's count anew."""
    ledger = MemoryLedger()
    drawn: Counter[str] = Counter()
    for number in range(20):
        policy = Policy(description=str(number))
        (image,) = plan(
            policy, "a photo of a doctor", seeds=[0], concepts=CONCEPTS, floor=FLOOR, ledger=ledger
        )
        drawn.update(image.drawn)
    assert drawn == {"woman": 10, "man": 10}


@given(
    strengths=st.dictionaries(st.sampled_from(["smile", "black", "white"]), st.floats(0.01, 3), min_size=1)
)
def test_nothing_that_is_added_takes_from_the_floors_share(strengths):
    """However much fills the cap, only what the request adds is scaled down."""
    policy = Policy(
        safety=tuple(SafetyRule(concept=name, strength=value) for name, value in strengths.items())
    )
    (image,) = plan(policy, "a cat", seeds=[0], concepts=CONCEPTS, floor=FLOOR)
    assert {name: image.strengths[name] for name in HELD} == HELD


def test_the_floors_own_cap_scales_what_it_holds():
    floor = Policy(safety=FLOOR.safety, max_norm=1.0)
    (image,) = plan(Policy(), "a cat", seeds=[0], concepts=CONCEPTS, floor=floor)
    assert image.strengths["anti-sexual"] == pytest.approx(1.5 * image.strengths["anti-violence"])
    assert image.strengths["anti-sexual"] < 1
    policy = Policy(safety=(SafetyRule(concept="smile"),))
    (beside,) = plan(policy, "a cat", seeds=[0], concepts=CONCEPTS, floor=floor)
    assert beside.strengths == image.strengths
    assert beside.skipped[0].reason == "no room for smile: the floor fills the cap"


def test_what_asks_for_more_gets_it():
    policy = Policy.model_validate(
        {
            "safety": [
                {"concept": "anti-violence", "strength": 2.0, "by": "both", "negative_prompt": "violent"},
                {"concept": "smile"},
            ],
            "max_norm": 4.0,
            "sampling": {"min_steps": 30},
            "screen": {"categories": ["violent"]},
        }
    )
    in_force = under_floor(policy, FLOOR, CONCEPTS)
    assert [rule.concept for rule in in_force.safety] == ["anti-sexual", "anti-violence", "smile"]
    violence = in_force.safety[1]
    assert (violence.strength, violence.by, violence.negative_prompt) == (2.0, "both", "violent")
    assert in_force.max_norm == 4.0
    assert in_force.sampling == SamplingRule(
        min_guidance_scale=3.0, min_steps=30, schedulers=("ddim", "euler")
    )
    assert in_force.screen.categories == ("sexual", "violent")


@pytest.mark.parametrize(("given", "least"), [(None, 2.0), (0.0, 0.0), (5.0, 5.0)])
def test_guidance_cannot_be_turned_off_unless_the_floor_allows_it(given, least):
    floor = Policy(safety=FLOOR.safety, sampling=SamplingRule(min_guidance_scale=given))
    assert under_floor(Policy(), floor, CONCEPTS).sampling.min_guidance_scale == least


@pytest.mark.parametrize("held", [None, "vector", "negative_prompt", "both"])
@pytest.mark.parametrize("own", [None, "vector", "negative_prompt", "both"])
def test_no_way_of_the_floors_is_lost_to_a_policys_own(held, own):
    """Whatever way the policy's own rule goes, images get the vector and the words that the floor gives without it."""
    floor = Policy(safety=(SafetyRule(concept="anti-sexual", by=held),))
    policy = Policy(safety=(SafetyRule(concept="anti-sexual", by=own),))
    for unread in (None, "guidance is off"):
        (alone,), (beside,) = (
            plan(one, "a cat", seeds=[0], concepts=CONCEPTS, floor=floor, unread=unread)
            for one in (Policy(), policy)
        )
        assert beside.strengths.items() >= alone.strengths.items()
        assert {one.words for one in beside.averted} >= {one.words for one in alone.averted}
    insists = "both" in (held, own) or "negative_prompt" in (held, own)
    (in_force,) = under_floor(policy, floor, CONCEPTS).safety
    assert in_force.insists_on_words == insists


def test_words_of_the_floor_that_have_to_be_found_are_not_lost_to_others():
    """The floor names no words, and its vector was learned with some: a policy's own do not take their place."""
    floor = Policy(safety=(SafetyRule(concept="anti-violence"),))
    own = Policy(safety=(SafetyRule(concept="anti-violence", by="both", negative_prompt="peace"),))
    with pytest.raises(FloorError, match="holds the words for what 'anti-violence' prevents"):
        under_floor(own, floor, CONCEPTS)
    as_vector = Policy(safety=(SafetyRule(concept="anti-violence", by="vector", negative_prompt="peace"),))
    (rule,) = under_floor(as_vector, floor, CONCEPTS).safety
    assert (rule.by, words_of(rule, CONCEPTS)) == (None, "violent")


def test_a_floor_of_vectors_alone_gains_the_words_of_a_policy():
    floor = Policy(safety=(SafetyRule(concept="smile", by="vector", negative_prompt="unused"),))
    own = Policy(safety=(SafetyRule(concept="smile", negative_prompt="frown"),))
    (image,) = plan(own, "a cat", seeds=[0], concepts=CONCEPTS, floor=floor)
    assert ([one.words for one in image.averted], image.strengths) == (["frown"], {"smile": 1.0})


def test_a_weaker_rule_is_brought_up_to_the_floor():
    policy = Policy(safety=(SafetyRule(concept="anti-sexual", strength=0.1),))
    assert under_floor(policy, FLOOR, CONCEPTS).safety[0] == FLOOR.safety[0]


def test_a_negative_strength_of_the_floor_is_held_too():
    floor = Policy(safety=(SafetyRule(concept="lewd", strength=-1.0),))
    assert under_floor(Policy(), floor, CONCEPTS).safety[0].strength == -1.0
    for concept, strength in (("lewd", 1.0), ("smile", 3.0), ("anti-sexual", -1.0)):
        with pytest.raises(FloorError):
            under_floor(Policy(safety=(SafetyRule(concept=concept, strength=strength),)), floor, CONCEPTS)


def test_vectors_may_undo_a_little_of_the_floors_but_not_much_together():
    products = PRODUCTS | {(one, "anti-sexual"): -0.15 for one in ("smile", "old")}
    concepts = Concepts(SETS, CONCEPTS.recommended, 3.0, CONCEPTS.words, products)
    floor = Policy(safety=(SafetyRule(concept="anti-sexual"),))
    smile, old = (SafetyRule(concept=concept) for concept in ("smile", "old"))
    for alone in (smile, old):
        under_floor(Policy(safety=(alone,)), floor, concepts)
    with pytest.raises(FloorError, match="'old' with the strength 1 points against 'anti-sexual'"):
        under_floor(Policy(safety=(smile, old)), floor, concepts)


def test_a_vector_that_undoes_the_floors_on_one_row_is_refused_whatever_it_does_on_the_other():
    alike = PRODUCTS | {("smile", "anti-sexual"): 0.9, ("anti-sexual", "smile"): 0.9}
    against = PRODUCTS | {("smile", "anti-sexual"): -0.9, ("anti-sexual", "smile"): -0.9}
    floor = Policy(safety=(SafetyRule(concept="anti-sexual"),))
    own = Policy(safety=(SafetyRule(concept="smile"),))
    for rows in ((alike, against), (against, alike)):
        concepts = Concepts(SETS, CONCEPTS.recommended, 3.0, CONCEPTS.words, alike, rows)
        with pytest.raises(FloorError, match="'smile' with the strength 1 points against 'anti-sexual'"):
            under_floor(own, floor, concepts)
    under_floor(own, floor, Concepts(SETS, CONCEPTS.recommended, 3.0, CONCEPTS.words, alike, (alike, alike)))


@pytest.mark.parametrize(
    ("recommended", "given", "follows"),
    [
        (1.0, 1.0, True),
        (1.0, 0.5, True),
        (1.0, 1.5, False),
        (1.0, -0.5, False),
        (-1.0, -0.5, True),
        (-1.0, 0.5, False),
    ],
)
def test_a_vector_of_another_site_may_be_added_as_it_was_published(recommended, given, follows):
    concepts = replace(CONCEPTS, recommended=CONCEPTS.recommended | {"elsewhere": recommended})
    policy = Policy(safety=(SafetyRule(concept="elsewhere", strength=given),))
    if follows:
        (image,) = plan(policy, "a cat", seeds=[0], concepts=concepts, floor=FLOOR)
        assert image.strengths == HELD | {"elsewhere": given}
    else:
        with pytest.raises(FloorError, match=f"'elsewhere' cannot be compared .* strength, {recommended:g}"):
            under_floor(policy, FLOOR, concepts)


def test_words_are_not_undone_by_a_vector_either():
    floor = Policy(safety=(SafetyRule(concept="anti-sexual", by="negative_prompt"),))
    with pytest.raises(FloorError, match="points against 'anti-sexual'"):
        under_floor(Policy(safety=(SafetyRule(concept="lewd"),)), floor, CONCEPTS)


@pytest.mark.parametrize("missing", ["anti-sexual", "woman"])
def test_a_floor_without_its_vector_lets_nothing_through(missing):
    recommended = {name: 1.0 for name in NAMES if name != missing}
    concepts = Concepts(SETS, recommended, 3.0, CONCEPTS.words, PRODUCTS)
    with pytest.raises(FloorUnmetError, match=f"no vector for the concept '{missing}'"):
        plan(Policy(), "a cat", seeds=[0], concepts=concepts, floor=FLOOR)


def test_a_floor_whose_fairness_can_be_chosen_by_seed_is_refused():
    with pytest.raises(FloorUnmetError, match="assignment: ledger"):
        check_floor(Policy(fairness=(FairnessRule(set="gender"),)), CONCEPTS)


def test_without_a_floor_nothing_is_held():
    policy = Policy(screen=ScreenRule())
    assert under_floor(policy, None, CONCEPTS) is policy
    assert held_concepts(None, CONCEPTS) == frozenset()


@pytest.mark.parametrize(
    ("own", "held", "on_finding"),
    [
        ("flag", "flag", "flag"),
        ("block", "flag", "block"),
        ("retry", "flag", "retry"),
        ("flag", "block", "block"),
        ("retry", "block", "block"),
        ("flag", "retry", "retry"),
        ("block", "retry", "retry"),
    ],
)
def test_a_finding_is_only_served_where_both_policy_and_floor_serve_it(own, held, on_finding):
    floor = Policy(screen=ScreenRule(on_finding=held, categories=("sexual",)))
    policy = Policy(screen=ScreenRule(on_finding=own, categories=("violent",)))
    screen = under_floor(policy, floor, CONCEPTS).screen
    assert (screen.on_finding, screen.categories) == (on_finding, ("sexual", "violent"))
