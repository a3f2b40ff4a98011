from diffusion import Sampling
from evaluation.prompts import Prompt
from evaluation.wish import wishes_for

SAMPLING = Sampling(4, 5.0)
DOCTOR, NURSE = Prompt("a doctor", "doctor"), Prompt("a nurse", "nurse")


def test_choices_are_taken_in_turn_on_the_same_seeds() -> None:
    wishes = wishes_for([DOCTOR, NURSE], 3, SAMPLING, 10, choices=[("woman",), ("man",)], strength=0.5)
    assert [(wish.prompt, wish.seed, wish.concepts) for wish in wishes] == [
        (DOCTOR, 10, ("woman",)),
        (DOCTOR, 11, ("man",)),
        (DOCTOR, 12, ("woman",)),
        (NURSE, 10, ("woman",)),
        (NURSE, 11, ("man",)),
        (NURSE, 12, ("woman",)),
    ]
    assert {wish.strength for wish in wishes} == {0.5}


def test_a_published_prompt_brings_its_seed_and_guidance() -> None:
    published = Prompt("rain", scene="", subject="", seed=77, guidance_scale=7.5)
    first, second = wishes_for([published], 2, SAMPLING, 10)
    assert (first.seed, second.seed) == (77, 78)
    assert first.sampling == Sampling(4, 7.5)
    assert first.concepts == ()
