import pytest
import torch
from sample_concepts import ANTI_UGLY, WOMAN

from diffusion import DiffusionModel
from learn_vectors import LearnOptions, OptionsError, TrajectoryRecipe
from learn_vectors.trajectories import TrajectoryPool

OPTIONS = LearnOptions((WOMAN,))


def pool_of(model: DiffusionModel, *, rows: list[int] | None = None, **changes: object) -> TrajectoryPool:
    recipe = TrajectoryRecipe(**{"batch": 6, "inference_steps": 10, "steps": 60} | changes)
    return TrajectoryPool(model, OPTIONS, recipe, (WOMAN,), rows=rows)


def test_trajectories_stay_in_the_learned_part_and_spread_over_it(sd1: DiffusionModel) -> None:
    pool = pool_of(sd1, timesteps=(400, 1000))
    seen: set[int] = set()
    for step in range(40):
        seen |= set(pool.timesteps.tolist())
        if step > 10:
            assert len(set(pool.timesteps.tolist())) > 1, "rows are at different steps"
        pool.advance(torch.zeros_like(pool.latents))
    assert min(seen) >= 400
    assert len(seen) == 6, "all six of ten DDIM steps at 400 and above"


def test_a_range_without_the_noisiest_steps_is_reached_but_not_learned_on_before(sd1: DiffusionModel) -> None:
    pool = pool_of(sd1, timesteps=(300, 600))
    for _ in range(20):
        assert torch.equal(pool.in_range, (pool.timesteps >= 300) & (pool.timesteps < 600))
        pool.advance(torch.zeros_like(pool.latents))


def test_a_range_between_the_steps_is_refused(sd1: DiffusionModel) -> None:
    with pytest.raises(OptionsError, match="none of the 10 sampling steps"):
        pool_of(sd1, timesteps=(710, 790))


def test_late_weights_count_where_the_picture_outweighs_the_noise(sd1: DiffusionModel) -> None:
    recipe = TrajectoryRecipe(batch=6, inference_steps=10, steps=60, harmless_share=1.0, late_weight=5.0)
    pool = TrajectoryPool(sd1, LearnOptions((ANTI_UGLY,)), recipe, (ANTI_UGLY,))
    seen = set()
    for _ in range(20):
        is_late = sd1.alphas_cumprod[pool.timesteps] > 0.5
        assert torch.equal(pool.weights, torch.where(is_late, 40.0, 8.0))
        seen |= set(is_late.tolist())
        pool.advance(torch.zeros_like(pool.latents))
    assert seen == {True, False}


def test_a_row_starts_anew_from_noise_of_its_own(sd1: DiffusionModel) -> None:
    pool = pool_of(sd1)
    started: list[torch.Tensor] = [*pool.latents]
    for _ in range(30):
        pool.advance(torch.zeros_like(pool.latents))
        started += [latent for latent, t in zip(pool.latents, pool.timesteps, strict=True) if t > 900]
    assert len({tuple(latent.flatten()[:4].tolist()) for latent in started}) == len(started) > 12
    assert torch.stack(started).std().item() == pytest.approx(1, abs=0.1)


def test_shares_of_the_rows_are_the_rows_of_the_whole(sd1: DiffusionModel) -> None:
    whole, odd = pool_of(sd1), pool_of(sd1, rows=[1, 3, 5])
    for _ in range(25):
        assert torch.equal(whole.latents[1::2], odd.latents)
        assert [whole.lessons[row] for row in (1, 3, 5)] == list(odd.lessons)
        assert torch.equal(whole.steered[1::2], odd.steered)
        whole.advance(torch.zeros_like(whole.latents))
        odd.advance(torch.zeros_like(odd.latents))


def test_a_pool_goes_on_from_its_latents(sd1: DiffusionModel) -> None:
    first, second = pool_of(sd1), pool_of(sd1)
    for step in range(30):
        if step == 14:
            second.resume(14, first.latents)
        if step >= 14:
            assert torch.equal(first.latents, second.latents)
            second.advance(torch.zeros_like(second.latents))
        first.advance(torch.zeros_like(first.latents))


def test_some_rows_of_a_concept_are_sampled_without_it_and_none_of_an_anti_concept(
    sd1: DiffusionModel,
) -> None:
    recipe = TrajectoryRecipe(batch=200, inference_steps=10, steps=60)
    anti = TrajectoryPool(sd1, LearnOptions((ANTI_UGLY,)), recipe, (ANTI_UGLY,))
    assert pool_of(sd1, batch=200).steered.float().mean().item() == pytest.approx(0.7, abs=0.1)
    assert anti.steered.all()
    assert not pool_of(sd1, steered_share=0.0).steered.any()
