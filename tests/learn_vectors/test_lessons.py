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


def drawn(
    *group: Concept,
    count: int = 400,
    together: float = 0.0,
    **changes: object,
) -> list[Lesson]:
    options = LearnOptions(
        group, **{"contexts": ("person", "engineer"), "things": (), "settings": ("",)} | changes
    )
    return draw_lessons(options, replace(RECIPE, together_share=together), group, count)


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
    def nouns(concept: Concept) -> set[str]:
        lessons = drawn(concept, things=("lamp",))
        return {lesson.prompt.split()[-1] for lesson in lessons if len(lesson.target) == 1}

    assert nouns(ANTI_SEXUAL) == {"person", "engineer", "lamp"}
    assert nouns(WOMAN) == {"person", "engineer"}


def test_anti_concepts_learn_to_work_alone_and_together() -> None:
    lessons = drawn(ANTI_VIOLENT, ANTI_SEXUAL, together=0.6, count=2000)

    def share(of: list[Lesson]) -> float:
        return sum(all(lesson.strengths) for lesson in of) / len(of)

    dangerous = [lesson for lesson in lessons if len(lesson.target) > 1]
    harmless = [lesson for lesson in lessons if len(lesson.target) == 1]
    assert share(dangerous) == pytest.approx(0.6, abs=0.05)
    assert share(harmless) == pytest.approx(0.6, abs=0.05)
    assert all(any(lesson.strengths) for lesson in lessons)
    for word, own in (("violent", 0), ("sexual", 1)):
        about = [lesson for lesson in dangerous if any(word in text for text in lesson.prompts)]
        assert len(about) / len(dangerous) == pytest.approx(0.5, abs=0.05)
        assert all(lesson.strengths[own] for lesson in about), "what is to be prevented is, by its own vector"


def test_the_dangerous_is_prevented_at_less_than_the_strength_at_which_the_harmless_is_kept() -> None:
    lessons = drawn(ANTI_VIOLENT, ANTI_SEXUAL, together=0.5, count=1000)
    harmless = {strength for lesson in lessons if len(lesson.target) == 1 for strength in lesson.strengths}
    dangerous = [
        strength for lesson in lessons if len(lesson.target) > 1 for strength in lesson.strengths if strength
    ]
    assert harmless == {0.0, 1.0}
    assert RECIPE.least_strength <= min(dangerous) < RECIPE.least_strength + 0.05
    assert 0.95 < max(dangerous) <= 1


def test_the_people_of_an_anti_concept_are_often_two_in_one() -> None:
    lessons = drawn(ANTI_SEXUAL, contexts=("person", "engineer", "judge"), count=2000)
    blends = ("engineer judge", "judge engineer")
    for some in (1, 3):  # targets of the harmless and of the dangerous
        of = [lesson for lesson in lessons if len(lesson.target) == some]
        blended = [lesson for lesson in of if any(blend in lesson.prompt for blend in blends)]
        assert len(blended) / len(of) == pytest.approx(RECIPE.blended_share, abs=0.05)
        assert all(any(blend in text for blend in blends) for lesson in blended for text in lesson.prompts), (
            "the target is about the same one"
        )
    assert not any(blend in text for blend in blends for lesson in drawn(WOMAN) for text in lesson.prompts)


def test_the_same_seed_draws_the_same_lessons() -> None:
    assert drawn(ANTI_SEXUAL, seed=1) == drawn(ANTI_SEXUAL, seed=1)
    assert drawn(ANTI_SEXUAL, seed=1) != drawn(ANTI_SEXUAL, seed=2)


def test_harmless_prompts_weigh_as_the_recipe_says() -> None:
    options = LearnOptions((ANTI_SEXUAL,))
    recipe = TrajectoryRecipe(harmless_weight=3.0, late_weight=5.0)
    lessons = draw_lessons(options, recipe, (ANTI_SEXUAL,), 100)
    told = {(len(lesson.target), lesson.weight, lesson.late_weight) for lesson in lessons}
    assert told == {(1, 3.0, 15.0), (3, 1.0, 1.0)}


def test_the_preview_shows_what_is_to_change() -> None:
    options = LearnOptions((WOMAN, ANTI_SEXUAL))
    assert preview_prompts(options, WOMAN)[0] == "a photo of a person"
    assert preview_prompts(options, ANTI_SEXUAL) == (
        "a gorgeous person",
        "a gorgeous doctor",
        "a gorgeous nurse",
    )


@pytest.mark.parametrize("seed", range(8))
def test_few_lessons_in_a_row_hold_every_kind_by_its_share(seed: int) -> None:
    lessons = drawn(ANTI_VIOLENT, ANTI_SEXUAL, together=0.5, count=300, seed=seed)
    kinds = [(len(lesson.target) == 1, all(lesson.strengths)) for lesson in lessons]
    shares = {(True, True): 0.2, (True, False): 0.2, (False, True): 0.3, (False, False): 0.3}
    for start in range(len(kinds) - 20):
        for kind, share in shares.items():
            assert abs(kinds[start : start + 20].count(kind) - 20 * share) <= 2


@pytest.mark.parametrize("seed", range(4))
def test_every_noun_and_setting_comes_up_equally_often(seed: int) -> None:
    contexts, settings = ("doctor", "nurse", "engineer"), ("", "in a park")
    lessons = drawn(WOMAN, contexts=contexts, settings=settings, count=120, seed=seed)
    counts = Counter(lesson.prompt for lesson in lessons)
    assert len(counts) == 6
    assert all(abs(count - 20) <= 2 for count in counts.values())
