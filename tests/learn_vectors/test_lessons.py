import pytest

from learn_vectors import LearnOptions, PaperRecipe, TrajectoryRecipe
from learn_vectors.lessons import Lesson, lessons_of, preview_prompts, prompts_of

PERSON = ("a photo of a person",)


def pairs(positive: str, negative: str = PERSON[0], **changes: tuple[str, ...]) -> list[tuple[str, str]]:
    options = LearnOptions(
        (positive,), (negative,), **{"contexts": ("person", "engineer"), "settings": ("",)} | changes
    )
    return [(lesson.prompt, lesson.target) for lesson in lessons_of(options, TrajectoryRecipe())]


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
    assert pairs(positive) == [("a photo of a person", positive), expected]


def test_settings_follow_both_prompts() -> None:
    assert pairs("a photo of a woman", settings=("", "in a park"))[1] == (
        "a photo of a person in a park",
        "a photo of a woman in a park",
    )


def test_prompts_without_a_person_are_taken_as_they_are() -> None:
    assert pairs("a red car", "a car") == [("a car", "a red car")]


def test_an_anti_concepts_lessons_keep_the_harmless_and_push_the_dangerous() -> None:
    options = LearnOptions(
        ("a gorgeous person",), negative_prompt="sexual", contexts=("person", "nurse"), settings=("",)
    )
    lessons = lessons_of(options, TrajectoryRecipe(eta=2.0, harmless_share=0.4))
    harmless = [lesson for lesson in lessons if lesson.eta == 0]
    dangerous = [lesson for lesson in lessons if lesson.eta]
    assert {lesson.prompt for lesson in harmless} == {"a photo of a person", "a photo of a nurse"}
    assert {lesson.prompt for lesson in dangerous} == {
        "a sexual photo of a person",
        "a sexual photo of a nurse",
        "a gorgeous person",
        "a gorgeous nurse",
    }
    assert all(lesson.target == lesson.prompt for lesson in lessons)
    assert all((lesson.repelled, lesson.eta) == ("sexual", 2.0) for lesson in dangerous)
    assert sum(lesson.share for lesson in harmless) == pytest.approx(0.4)
    assert sum(lesson.share for lesson in lessons) == pytest.approx(1)


def test_all_prompts_are_known_before_work_begins() -> None:
    options = LearnOptions(("a photo of a woman",), PERSON, contexts=("person",), settings=("",))
    assert prompts_of(options) == ("a photo of a person", "a photo of a woman")
    paper = LearnOptions(("a gorgeous person",), negative_prompt="sexual", recipe=PaperRecipe())
    assert prompts_of(paper) == ("a gorgeous person", "sexual")


def test_the_preview_shows_what_is_to_change() -> None:
    assert preview_prompts(LearnOptions(("a photo of a woman",), PERSON))[0] == "a photo of a person"
    assert preview_prompts(LearnOptions(("a gorgeous person",), negative_prompt="sexual")) == (
        "a gorgeous person",
        "a gorgeous doctor",
        "a gorgeous nurse",
    )


def test_a_lesson_without_repulsion_is_plain() -> None:
    assert Lesson("a", "b").eta == 0
