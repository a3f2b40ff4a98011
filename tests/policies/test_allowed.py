import pytest
from pydantic import BaseModel

from policies.allowed import check_allowed, named_concepts
from policies.document import Policy
from policies.errors import NotAllowedError

SETS = {"gender": ("woman", "man"), "race": ("black", "white")}


def policy(**document: object) -> Policy:
    return Policy.model_validate(document)


def test_every_concept_is_named_with_its_field():
    document = policy(
        fairness=[{"set": "gender"}, {"set": "race", "target": {"black": 1.0, "white": 0.0}}, {"set": "age"}],
        safety=[{"concept": "anti-sexual"}, {"concept": "anti-violence", "by": "negative_prompt"}],
    )
    assert list(named_concepts(document, SETS)) == [
        ("fairness.0.set", "woman"),
        ("fairness.0.set", "man"),
        ("fairness.1.set", "black"),
        ("safety.0.concept", "anti-sexual"),
        ("safety.1.concept", "anti-violence"),
    ]


def test_a_member_of_a_case_is_named_too():
    document = policy(
        fairness=[
            {"set": "gender"},
            {
                "set": "race",
                "target": {"black": 1.0},
                "cases": [{"given": {"gender": "man"}, "shares": {"white": 1.0}}],
            },
        ]
    )
    assert ("fairness.1.set", "white") in set(named_concepts(document, SETS))


@pytest.mark.parametrize(
    ("document", "allowed"),
    [
        ({}, set()),
        ({"fairness": [{"set": "gender"}]}, {"woman", "man"}),
        ({"fairness": [{"set": "gender", "target": {"woman": 1.0}}]}, {"woman"}),
        ({"safety": [{"concept": "anti-sexual"}]}, {"anti-sexual"}),
        ({"safety": [{"concept": "anti-sexual"}]}, None),
    ],
)
def test_allowed_concepts_pass(document, allowed):
    check_allowed(policy(**document), allowed, SETS)


@pytest.mark.parametrize(
    ("document", "allowed", "field", "value", "cure"),
    [
        ({"fairness": [{"set": "gender"}]}, {"woman"}, "fairness.0.set", "man", "There are: woman."),
        ({"safety": [{"concept": "x"}]}, {"woman"}, "safety.0.concept", "x", "There are: woman."),
        ({"safety": [{"concept": "x"}]}, set(), "safety.0.concept", "x", "Leave it out."),
    ],
)
def test_others_are_refused(document, allowed, field, value, cure):
    with pytest.raises(NotAllowedError) as refused:
        check_allowed(policy(**document), allowed, SETS)
    assert (refused.value.field, refused.value.value) == (field, value)
    assert cure in refused.value.cure


def test_a_new_field_that_names_a_concept_is_looked_at():
    """Fields of rules by what they name; a new one fails here until it is decided whether it names a concept."""

    def fields(model: type[BaseModel]) -> set[str]:
        return set(model.model_fields)

    rules = {
        name: fields(Policy.model_fields[name].annotation.__args__[0]) for name in ("fairness", "safety")
    }
    assert rules == {
        "fairness": {"set", "target", "cases", "leave", "strength", "when"},
        "safety": {"concept", "strength", "by", "negative_prompt"},
    }
    assert fields(Policy) - rules.keys() == {
        "name", "version", "description", "assignment", "max_norm", "sampling", "phrases", "screen"
    }  # fmt: skip
