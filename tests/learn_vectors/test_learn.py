from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from diffusion import DiffusionModel, SiteError
from diffusion.steering import added_at_site
from learn_vectors import (
    DivergedError,
    LearnOptions,
    OptionsError,
    PaperRecipe,
    TrajectoryRecipe,
    learn_vector,
)
from learn_vectors.lessons import Lesson
from learn_vectors.trajectories import TrajectoryPool

Make = Callable[..., LearnOptions]


def weights(model: DiffusionModel) -> list[torch.Tensor]:
    return [value.clone() for value in model.pipe.unet.state_dict().values()]


@pytest.mark.parametrize(
    "recipe",
    [
        TrajectoryRecipe(steps=3, batch=2, inference_steps=4),
        PaperRecipe(steps=3, images=3, batch=2, inference_steps=2),
    ],
)
def test_every_recipe_learns_on_every_kind_of_model(
    model: DiffusionModel, options: Make, recipe: TrajectoryRecipe | PaperRecipe
) -> None:
    before = weights(model)
    first = learn_vector(model, options(recipe=recipe))
    second = learn_vector(model, options(recipe=recipe))
    assert first.digest == second.digest, "the same seed gives the same vector"
    assert first.digest != learn_vector(model, options(recipe=recipe, seed=1)).digest
    assert first.norm > 0
    assert first.shape == model.site_shape(*model.default_size)
    assert first.base_model == model.fingerprint
    assert first.prompts.positive == ("a photo of a woman",)
    assert all(torch.equal(old, new) for old, new in zip(before, weights(model), strict=True)), (
        "the model is frozen"
    )
    assert not model.pipe.unet.mid_block._forward_hooks, "no hook is left behind"


def test_trajectory_matching_finds_a_vector_that_explains_the_target(
    sd1: DiffusionModel, options: Make
) -> None:
    losses: list[float] = []

    def record(phase: str, done: int, total: int, loss: float | None) -> None:
        assert loss is not None
        losses.append(loss)

    recipe = TrajectoryRecipe(steps=60, batch=4, inference_steps=4, learning_rate=0.1)
    learn_vector(sd1, options(recipe=recipe), record)
    assert len(losses) == 60
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


def test_the_paper_recipe_lowers_the_denoising_error_of_its_images(
    sd1: DiffusionModel, options: Make
) -> None:
    losses: list[float] = []
    images: list[tuple[int, int]] = []

    def record(phase: str, done: int, total: int, loss: float | None) -> None:
        if phase == "images":
            images.append((done, total))
        else:
            assert loss is not None
            losses.append(loss)

    recipe = PaperRecipe(steps=60, images=4, batch=4, inference_steps=2, learning_rate=0.05)
    learn_vector(sd1, options(recipe=recipe), record)
    assert images == [(4, 4)]
    assert sum(losses[-15:]) < sum(losses[:15])


def test_an_anti_concept_matches_the_pushed_prediction(sd1: DiffusionModel, options: Make) -> None:
    recipe = TrajectoryRecipe(steps=4, batch=4, inference_steps=4, eta=1.0, harmless_share=0.5)
    anti = options(positive=("a ugly person",), negative=(), negative_prompt="ugly", name="", recipe=recipe)
    pushed = learn_vector(sd1, anti)
    assert pushed.concept == "anti-ugly"
    assert pushed.prompts.negative_prompt == ("ugly",)
    unpushed = learn_vector(sd1, replace(anti, recipe=replace(recipe, eta=0.0)))
    assert unpushed.norm < 0.05 * pushed.norm, "with nothing to push there is nothing to learn"


def test_a_loss_that_is_not_finite_stops_the_run(sd1: DiffusionModel, options: Make) -> None:
    recipe = TrajectoryRecipe(steps=20, batch=2, inference_steps=4, learning_rate=1e30)
    with pytest.raises(DivergedError, match="nothing was published"):
        learn_vector(sd1, options(recipe=recipe))


def test_a_site_that_is_not_there_is_refused(sd1: DiffusionModel, options: Make) -> None:
    with pytest.raises(SiteError, match="middle"):
        learn_vector(sd1, options(site="middle"))


def test_another_site_is_learned_at(sd1: DiffusionModel, options: Make) -> None:
    vector = learn_vector(sd1, options(site="up_blocks.0"))
    assert vector.site == "up_blocks.0"
    assert vector.shape == sd1.site_shape(*sd1.default_size, "up_blocks.0")


def pool_of(model: DiffusionModel, lessons: list[Lesson], **changes: object) -> TrajectoryPool:
    recipe = TrajectoryRecipe(**{"batch": 6, "inference_steps": 10} | changes)
    return TrajectoryPool(model, lessons, recipe, torch.Generator().manual_seed(0))


def test_trajectories_stay_in_the_noisy_part_and_spread_over_it(sd1: DiffusionModel) -> None:
    pool = pool_of(sd1, [Lesson("a", "b"), Lesson("c", "d")])
    seen: set[int] = set()
    for step in range(40):
        seen |= set(pool.timesteps.tolist())
        if step > 10:
            assert len(set(pool.timesteps.tolist())) > 1, "rows are at different steps"
        pool.advance(torch.zeros_like(pool.latents))
    assert min(seen) >= 400
    assert len(seen) == 6, "all six of ten DDIM steps at 400 and above"


def test_a_range_without_the_noisiest_steps_is_reached_but_not_learned_on_before(sd1: DiffusionModel) -> None:
    pool = pool_of(sd1, [Lesson("a", "b")], timesteps=(300, 600))
    for _ in range(20):
        assert torch.equal(pool.in_range, (pool.timesteps >= 300) & (pool.timesteps < 600))
        pool.advance(torch.zeros_like(pool.latents))


def test_a_range_between_the_steps_is_refused(sd1: DiffusionModel) -> None:
    with pytest.raises(OptionsError, match="none of the 10 sampling steps"):
        pool_of(sd1, [Lesson("a", "b")], timesteps=(710, 790))


def test_lessons_come_as_often_as_their_share(sd1: DiffusionModel) -> None:
    pool = pool_of(sd1, [Lesson("a", "a", share=0.9), Lesson("b", "b", share=0.1)], batch=400)
    often = sum(lesson.prompt == "a" for lesson in pool.lessons) / 400
    assert often == pytest.approx(0.9, abs=0.06)
    assert pool.steered.float().mean().item() == pytest.approx(0.7, abs=0.08)


def test_gradients_reach_the_vector_through_the_frozen_model(sd1: DiffusionModel) -> None:
    values = torch.zeros(sd1.site_shape(*sd1.default_size), requires_grad=True)
    with added_at_site(sd1.pipe.unet, "mid_block", lambda h: h + values):
        sd1.predict(
            torch.randn(1, *sd1.latent_shape(*sd1.default_size)), torch.tensor([500]), sd1.encode(["a"])
        ).sum().backward()
    assert values.grad is not None
    assert values.grad.abs().sum() > 0
