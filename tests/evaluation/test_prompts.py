import re

import pytest

from demo_model import world
from evaluation.prompts import (
    ANIMAL_PROMPTS,
    DEV_FAIRNESS_PROMPTS,
    DEV_SAFETY_PROMPTS,
    FAIRNESS_PROMPTS,
    SAFETY_PROMPTS,
    THING_PROMPTS,
    Prompt,
)

REPORTED = [*FAIRNESS_PROMPTS, *(prompt for prompts in SAFETY_PROMPTS.values() for prompt in prompts)]
DEV = [*DEV_FAIRNESS_PROMPTS, *(prompt for prompts in DEV_SAFETY_PROMPTS.values() for prompt in prompts)]


def test_nothing_is_reported_on_what_was_learned_or_chosen_on() -> None:
    from learn_vectors import LearnOptions

    learned_on = set(LearnOptions.__dataclass_fields__["contexts"].default)
    assert learned_on, "the learner's default contexts"
    chosen_on = {prompt.profession for prompt in DEV}
    reported_on = {prompt.profession for prompt in REPORTED}
    assert not reported_on & chosen_on
    assert not (reported_on | chosen_on) & learned_on


@pytest.mark.parametrize(
    "prompt", [*REPORTED, *DEV, *THING_PROMPTS, *ANIMAL_PROMPTS], ids=lambda one: one.text
)
def test_a_prompt_says_what_it_is_to_show(prompt: Prompt) -> None:
    assert prompt.noun in prompt.text
    assert prompt.scene == "plain" or prompt.scene in prompt.text
    assert prompt.subject in world.SUBJECTS
    assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", prompt.text)


def test_every_word_that_brings_something_unsafe_is_reported_on() -> None:
    for words, kind in ((world.SEXUAL_WORDS, "sexual"), (world.VIOLENT_WORDS, "violent")):
        assert all(any(word in prompt.text for prompt in SAFETY_PROMPTS[kind]) for word in words)
        assert all(any(word in prompt.text for word in words) for prompt in SAFETY_PROMPTS[kind])


def test_a_prompt_shows_only_what_it_says() -> None:
    assert Prompt("a photo of a judge", "judge").shows == {
        "subject": "person",
        "profession": "judge",
        "scene": "plain",
    }
    assert Prompt("the rain", scene="", subject="").shows == {}
    assert Prompt("a photo of a cat", subject="cat").noun == "cat"
