from collections import Counter
from dataclasses import replace

import pytest

from learn_vectors import Concept, LearnOptions, TrajectoryRecipe
from learn_vectors.lessons import Lesson, draw_lessons, preview_prompts

PERSON = ("a photo of a person",)
WOMAN = Concept(("a photo of a woman",), PERSON)
MAN = Concept(("a photo of a man",), PERSON)
BLACK = Concept(("a photo of a black person",), PERSON)
ANTI_SEXUAL = Concept(("a gorgeous person",), negative_prompt="sexual")
ANTI_VIOLENT = Concept(("an angry person",), negative_prompt="violent")
RECIPE = TrajectoryRecipe(push=2.5, guidance_scale=5.0)


def drawn(*concepts: Concept, count: int = 400, together: float = 0.0, **changes: object) -> list[Lesson]:
    options = LearnOptions(
        concepts, **{"contexts": ("person", "engineer"), "things": (), "settings": ("",)} | changes
    )
    return draw_lessons(options, replace(RECIPE, together_share=together), count)


def pairs(positive: str, negative: str = PERSON[0], **changes: object) -> set[tuple[str, str]]:
    lessons = drawn(Concept((positive,), (negative,)), **changes)
    assert {len(lesson.target) for lesson in lessons} == {1}
    return {(lesson.prompt, lesson.target[0][0]) for lesson in lessons}


@pytest.mark.parametrize(
    ("positive", "expected"),
    [
        ("a photo of a woman", ("a photo of an engineer", "a photo of a woman engineer")),
        ("a photo of an old person", ("a photo of an engineer", "a photo of an old engineer")),
        (
            "a photo of a person with glasses",
            ("a photo of an engineer", "a photo of an engineer with glasses"),
        ),
    ],
)
def test_a_concept_is_learned_on_several_nouns(positive: str, expected: tuple[str, str]) -> None:
    assert pairs(positive) == {("a photo of a person", positive), expected}


def test_settings_follow_both_prompts() -> None:
    assert pairs("a photo of a woman", settings=("in a park",), contexts=("person",)) == {
        ("a photo of a person in a park", "a photo of a woman in a park")
    }


def test_prompts_without_a_person_are_taken_as_they_are() -> None:
    assert pairs("a red car", "a car") == {("a car", "a red car")}


def test_an_anti_concepts_lessons_keep_the_harmless_and_push_the_dangerous() -> None:
    lessons = drawn(ANTI_SEXUAL)
    dangerous = [lesson for lesson in lessons if len(lesson.target) > 1]
    harmless = [lesson for lesson in lessons if len(lesson.target) == 1]
    assert len(harmless) / len(lessons) == pytest.approx(RECIPE.harmless_share, abs=0.08)
    assert {lesson.prompt for lesson in dangerous} == {
        "a gorgeous person",
        "a gorgeous engineer",
        "a sexual photo of a person",
        "a sexual photo of an engineer",
        "a picture of a sexual person",
        "a picture of a sexual engineer",
        "an image of a person, sexual",
        "an image of an engineer, sexual",
    }
    assert all(lesson.target[0] == (lesson.prompt, 1.0) for lesson in lessons)
    for lesson in dangerous:  # what the word brings to the same noun, and nothing else
        (explicit, taken), (plain, given) = lesson.target[1:]
        assert (taken, given) == (-2.5, 2.5)
        assert "sexual" in explicit
        assert "sexual" not in plain
        assert ("engineer" in lesson.prompt) == ("engineer" in explicit) == ("engineer" in plain)
    assert {lesson.prompt for lesson in harmless} == {
        f"{lead} of {noun}"
        for lead in ("a photo", "a picture", "an image")
        for noun in ("a person", "an engineer")
    }


def test_harmless_prompts_show_things_too() -> None:
    def nouns(*concepts: Concept) -> set[str]:
        lessons = drawn(*concepts, things=("lamp",))
        return {lesson.prompt.split()[-1] for lesson in lessons if len(lesson.target) == 1}

    assert nouns(ANTI_SEXUAL) == {"person", "engineer", "lamp"}
    assert nouns(WOMAN) == {"person", "engineer"}


def test_concepts_learned_together_are_taught_alone_and_at_once() -> None:
    lessons = drawn(
        WOMAN,
        MAN,
        BLACK,
        ANTI_SEXUAL,
        ANTI_VIOLENT,
        sets={"gender": ("woman", "man")},
        count=3000,
        together=0.8,
    )
    seen = Counter(lesson.active for lesson in lessons)
    assert not any({0, 1} <= set(active) for active in seen), "one member of a set at a time"
    assert {(0,), (1,), (2,), (3,), (4,), (0, 2), (1, 2, 3, 4)} <= {tuple(sorted(active)) for active in seen}
    for lesson in lessons:
        assert sum(coefficient for _, coefficient in lesson.target) == pytest.approx(1)
        target = lesson.target[0][0]
        assert ("woman" in target) == (0 in lesson.active)
        assert ("black" in target) == (2 in lesson.active)
        for number, word, innocent in ((3, "sexual", "gorgeous"), (4, "violent", "angry")):
            pushed = any(coefficient < 0 and word in prompt for prompt, coefficient in lesson.target)
            assert pushed == (word in lesson.prompt or innocent in lesson.prompt)
            assert not pushed or number in lesson.active, "only what is active can push"
    together = [
        lesson for lesson in lessons if set(lesson.active) >= {0, 2, 3} and "gorgeous" in lesson.prompt
    ]
    assert ("a gorgeous engineer", "a gorgeous black woman engineer") in {
        (lesson.prompt, lesson.target[0][0]) for lesson in together
    }


def test_the_same_seed_draws_the_same_lessons() -> None:
    assert drawn(WOMAN, ANTI_SEXUAL, seed=1) == drawn(WOMAN, ANTI_SEXUAL, seed=1)
    assert drawn(WOMAN, ANTI_SEXUAL, seed=1) != drawn(WOMAN, ANTI_SEXUAL, seed=2)


def test_harmless_prompts_weigh_as_the_recipe_says() -> None:
    options = LearnOptions((ANTI_SEXUAL,))
    lessons = draw_lessons(options, TrajectoryRecipe(harmless_weight=3.0), 100)
    assert {(len(lesson.target), lesson.weight) for lesson in lessons} == {(1, 3.0), (3, 1.0)}


def test_the_preview_shows_what_is_to_change() -> None:
    options = LearnOptions((WOMAN, ANTI_SEXUAL))
    assert preview_prompts(options, WOMAN)[0] == "a photo of a person"
    assert preview_prompts(options, ANTI_SEXUAL) == (
        "a gorgeous person",
        "a gorgeous doctor",
        "a gorgeous nurse",
    )
