import json
from dataclasses import replace
from pathlib import Path

import pytest

from learn_vectors import Concept, LearnOptions, OptionsError, PaperRecipe, TrajectoryRecipe
from learn_vectors.concepts_file import EXAMPLE, read_concepts, read_options
from learn_vectors.errors import RunDirectoryError

WOMAN, PERSON = ("a photo of a woman",), ("a photo of a person",)
CONCEPT = Concept(WOMAN, PERSON)


@pytest.mark.parametrize(
    ("positive", "negative", "negative_prompt", "name"),
    [
        (WOMAN, PERSON, None, "woman"),
        (("a photo of a person with glasses",), PERSON, None, "with-glasses"),
        (("a photo of an old person",), PERSON, None, "old"),
        (("an Angry person",), (), "Violent content", "anti-violent-content"),
    ],
)
def test_a_name_is_made_of_the_words_that_differ(
    positive: tuple[str, ...], negative: tuple[str, ...], negative_prompt: str | None, name: str
) -> None:
    assert Concept(positive, negative, negative_prompt).name == name


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Concept((), ()), "no positive prompt"),
        (lambda: Concept((" ",), PERSON), "no positive prompt"),
        (lambda: Concept(WOMAN, ()), "1 positive and 0 negative prompts"),
        (lambda: Concept(WOMAN, WOMAN), "nothing to learn"),
        (lambda: Concept(WOMAN, (), "  "), "negative prompt is empty"),
        (lambda: LearnOptions(()), "no concept to learn"),
        (lambda: LearnOptions((CONCEPT, CONCEPT)), "woman: two concepts of one name"),
        (
            lambda: LearnOptions((CONCEPT,), sets={"gender": ("woman", "man")}),
            "the set gender has man, which is not among the concepts: woman",
        ),
        (
            lambda: LearnOptions((CONCEPT, Concept(WOMAN, PERSON, None, "lady")), recipe=PaperRecipe()),
            "one concept at a time and there are 2",
        ),
        (lambda: LearnOptions((CONCEPT,), apply_timesteps=(500, 400)), "timesteps 500 to 400"),
        (lambda: TrajectoryRecipe(steps=0), "steps is 0"),
        (lambda: TrajectoryRecipe(learning_rate=float("nan")), "learning_rate is nan"),
        (lambda: TrajectoryRecipe(guidance_scale=1.0), "guidance_scale is 1.0"),
        (lambda: TrajectoryRecipe(push=-1), "push is -1"),
        (lambda: TrajectoryRecipe(steered_share=1.5), "steered_share is 1.5"),
        (lambda: PaperRecipe(timesteps=(0, 1001)), "timesteps 0 to 1001"),
        (lambda: PaperRecipe(images=0), "images is 0"),
    ],
)
def test_bad_options_are_refused_with_their_value(make: object, message: str) -> None:
    with pytest.raises(OptionsError, match=message):
        make()  # type: ignore[operator]


def test_the_authors_settings_are_the_paper_recipes_defaults() -> None:
    recipe = PaperRecipe()
    assert (recipe.images, recipe.steps, recipe.batch, recipe.learning_rate) == (1000, 2500, 8, 0.1)
    assert (recipe.inference_steps, recipe.guidance_scale, recipe.timesteps) == (30, 7.5, (0, 1000))


@pytest.mark.parametrize("recipe", [TrajectoryRecipe(push=2.5), PaperRecipe(images=7)])
def test_resolved_options_are_read_back_as_they_were(
    recipe: TrajectoryRecipe | PaperRecipe, tmp_path: Path
) -> None:
    concept = replace(CONCEPT, halves="both")
    options = LearnOptions((concept,), channel_only=True, seed=3, recipe=recipe)
    path = tmp_path / "options.json"
    path.write_text(json.dumps(options.resolved() | {"model": {"name": "mine", "fingerprint": "sha256:0"}}))
    assert read_options(path) == (options, "mine")


def test_options_that_are_none_are_told(tmp_path: Path) -> None:
    (tmp_path / "options.json").write_text('{"model": {"name": "mine"}}')
    with pytest.raises(RunDirectoryError, match="not the options of a run"):
        read_options(tmp_path / "options.json")


def written(text: str, folder: Path) -> Path:
    path = folder / "concepts.yaml"
    path.write_text(text)
    return path


def test_a_file_of_concepts_says_what_is_learned_together(tmp_path: Path) -> None:
    read = read_concepts(written(EXAMPLE + "contexts: [person, pilot]\n", tmp_path))
    assert [concept.name for concept in read.concepts] == ["woman", "man", "anti-violence"]
    assert read.concepts[0] == CONCEPT
    assert read.concepts[2].is_anti
    assert read.sets == {"gender": ("woman", "man")}
    assert (read.contexts, read.settings) == (("person", "pilot"), None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("concepts: {woman: {pos: a woman}}", "1 positive and 0 negative prompts"),
        ("concepts: {woman: {pos: a woman, ngative: a person}}", "concepts.woman.ngative: Extra inputs"),
        ("concept: {}", "concepts: Field required"),
        ("- woman", "the whole file: Input should be"),
        ("concepts: {", "cannot be read as YAML"),
    ],
)
def test_an_unsound_file_of_concepts_is_told_with_the_place(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match=message):
        read_concepts(written(text, tmp_path))


def test_the_steps_of_a_run_are_those_of_each_concept() -> None:
    anti = Concept(("a gorgeous person",), negative_prompt="sexual")
    other = replace(anti, name="other")
    assert LearnOptions((CONCEPT,)).total_steps == 40
    assert LearnOptions((CONCEPT, anti, other)).total_steps == 3 * 40
    assert LearnOptions((CONCEPT, anti), recipe=TrajectoryRecipe(steps=7)).total_steps == 2 * 7
    assert LearnOptions((CONCEPT,), recipe=PaperRecipe()).total_steps == 2500
