import json

import pytest

from learn_vectors import LearnOptions, OptionsError, PaperRecipe, TrajectoryRecipe

WOMAN, PERSON = ("a photo of a woman",), ("a photo of a person",)


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
    assert LearnOptions(positive, negative, negative_prompt).name == name


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LearnOptions((), ()), "no positive prompt"),
        (lambda: LearnOptions((" ",), PERSON), "no positive prompt"),
        (lambda: LearnOptions(WOMAN, ()), "1 positive and 0 negative prompts"),
        (lambda: LearnOptions(WOMAN, WOMAN), "nothing to learn"),
        (lambda: LearnOptions(WOMAN, (), "  "), "negative prompt is empty"),
        (lambda: LearnOptions(WOMAN, PERSON, apply_timesteps=(500, 400)), "timesteps 500 to 400"),
        (lambda: TrajectoryRecipe(steps=0), "steps is 0"),
        (lambda: TrajectoryRecipe(learning_rate=float("nan")), "learning_rate is nan"),
        (lambda: TrajectoryRecipe(guidance_scale=1.0), "guidance_scale is 1.0"),
        (lambda: TrajectoryRecipe(eta=-1), "eta is -1"),
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


def test_resolved_options_say_everything_as_json() -> None:
    resolved = json.loads(json.dumps(LearnOptions(WOMAN, PERSON, recipe=PaperRecipe(images=7)).resolved()))
    assert resolved["name"] == "woman"
    assert resolved["recipe"]["name"] == "paper"
    assert resolved["recipe"]["images"] == 7
    assert resolved["seed"] == 0
