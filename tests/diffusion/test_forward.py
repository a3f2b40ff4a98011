"""Forward passes padded to fixed places: the same predictions, whatever was there before, prepared once."""

import time

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_pipelines import tiny_distilled

from diffusion import DiffusionModel, Engine, Row, Sampling
from diffusion.errors import ExecutionError
from diffusion.executions import fastest
from diffusion.forward import ForwardInputs, PlainForward, StaticForward
from diffusion.forward_choice import choose_forward
from diffusion.runner import Runner

SITE = "mid_block"


def inputs(model: DiffusionModel, rows: int, seed: int = 0, strengths: float = 1.0) -> ForwardInputs:
    """A pass over random rows, every second one steered."""
    generator = torch.Generator().manual_seed(seed)
    bank = torch.randn(3, *model.site_shape(*model.default_size), generator=torch.Generator().manual_seed(9))
    coefficients = torch.randn(rows, 3, generator=generator) * strengths
    coefficients[::2] = 0
    return ForwardInputs(
        torch.randn(rows, *model.latent_shape(*model.default_size), generator=generator),
        torch.randint(0, 1000, (rows,), generator=generator).float(),
        model.encode(["a dog", "a doctor", "a man"] * rows)[:rows],
        model.embed_guidance([1.0 + row for row in range(rows)]),
        {SITE: bank},
        {SITE: coefficients} if strengths else {},
    )


def with_bank(one: ForwardInputs, bank: torch.Tensor) -> ForwardInputs:
    return ForwardInputs(
        one.latents, one.timesteps, one.encoding, one.guidance, {SITE: bank}, one.coefficients
    )


@pytest.mark.parametrize("kind", ["sd1", "sd2", "sdxl", "distilled"])
def test_padding_changes_nothing_whatever_ran_before(models, kind):
    model = DiffusionModel(tiny_distilled(), kind) if kind == "distilled" else models[kind]
    plain = PlainForward(model)
    static = StaticForward(model, lambda run: run, model.latent_shape(*model.default_size), [2, 4])
    bank = inputs(model, 1).banks[SITE]

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.integers(1, 6), st.integers(0, 3), st.sampled_from([0.0, 1.0, 50.0]))
    def check(rows: int, seed: int, strengths: float) -> None:
        one = with_bank(inputs(model, rows, seed, strengths), bank)
        torch.testing.assert_close(static(one), plain(one), atol=1e-4, rtol=1e-3)

    with torch.no_grad():
        check()


def test_a_pass_is_prepared_once_for_each_size_and_again_where_the_bank_moves(sd1):
    prepared = []

    def execution(run):
        prepared.append(run)
        return run

    static = StaticForward(sd1, execution, sd1.latent_shape(*sd1.default_size), [2, 4])
    one = inputs(sd1, 3)
    bank = one.banks[SITE]
    with torch.no_grad():
        for rows, seed in ((3, 0), (4, 1), (2, 2), (1, 3), (3, 4)):
            static(with_bank(inputs(sd1, rows, seed), bank))
        assert len(prepared) == 2
        grown = torch.cat([bank, torch.full_like(bank, 3.0)])
        moved = with_bank(inputs(sd1, 4, 5), grown)
        moved.coefficients[SITE].resize_(4, 6).zero_()[:, 5] = 1.0
        torch.testing.assert_close(static(moved), PlainForward(sd1)(moved), atol=1e-4, rtol=1e-3)
        assert len(prepared) == 3
        beyond = with_bank(inputs(sd1, 5, 6), bank)
        torch.testing.assert_close(static(beyond), PlainForward(sd1)(beyond))
    assert len(prepared) == 3, "more rows than the largest size go by a plain pass"


def test_other_members_and_other_steering_compile_nothing_anew(sd1):
    def execution(run):
        return torch.compile(run, dynamic=True, backend="eager")

    static = StaticForward(sd1, execution, sd1.latent_shape(*sd1.default_size), [2, 4])
    bank = inputs(sd1, 1).banks[SITE]
    torch._dynamo.reset()
    with torch.no_grad():
        static(with_bank(inputs(sd1, 2), bank))
        static(with_bank(inputs(sd1, 4), bank))
        with torch._dynamo.config.patch(error_on_recompile=True):
            for rows, strengths in ((2, 0.0), (1, 1.0), (3, 2.0), (4, 0.0), (2, 1.0)):
                one = with_bank(inputs(sd1, rows, rows, strengths), bank)
                torch.testing.assert_close(static(one), PlainForward(sd1)(one), atol=1e-4, rtol=1e-3)


def test_images_are_the_same_by_fixed_places(sd1, make_vector, library):
    library.publish(make_vector(sd1))
    library.publish(make_vector(sd1, "man", seed=1, halves="both"))
    engine = Engine(sd1, library)
    static = StaticForward(sd1, lambda run: run, sd1.latent_shape(*sd1.default_size), [1, 4, 8])
    orders = [
        *engine.prepare([Row("a doctor", 1, steering={"woman": 1.0}), Row("a dog", 2)], Sampling(5)),
        *engine.prepare([Row("a man", 3, steering={"man": 2.0})], Sampling(8, guidance_scale=1.0)),
        *engine.prepare([Row("a man", 4)], Sampling(3, scheduler="euler", height=32, width=96)),
    ]

    def latents(runner: Runner) -> list[torch.Tensor]:
        finished = []
        for shape in dict.fromkeys(order.latent_shape for order in orders):
            rows = runner.begin([order for order in orders if order.latent_shape == shape])
            while rows:
                runner.step(rows)
                finished += [runner.finish(row) for row in rows if row.is_finished]
                rows = [row for row in rows if not row.is_finished]
        return finished

    warm = Runner(sd1, static)
    warm.warm_up()
    for made, expected in zip(latents(warm), latents(Runner(sd1)), strict=True):
        torch.testing.assert_close(made, expected, atol=1e-3, rtol=1e-3)


def test_passes_are_prepared_once_for_all_sites_that_are_expected(sd1, make_vector, library):
    later = "up_blocks.1.resnets.0"
    library.publish(make_vector(sd1))
    library.publish(make_vector(sd1, "man", shape=(16, 8, 8), site=later))
    prepared = []
    static = StaticForward(
        sd1,
        lambda run: prepared.append(run) or run,
        sd1.latent_shape(*sd1.default_size),
        [2, 4],
    )
    runner = Runner(sd1, static)
    runner.warm_up(["mid_block", later])
    assert len(prepared) == 2
    orders = Engine(sd1, library).prepare(
        [Row("a doctor", 1, steering={"woman": 1.0, "man": 1.0})], Sampling(2)
    )
    runner.step(runner.begin(orders))
    assert len(prepared) == 2, "images with vectors of these sites wait for nothing"


def test_the_fastest_way_that_works_is_taken(caplog):
    def fails(_run):
        raise RuntimeError("no such backend")

    def slow(run):
        def slowly():
            time.sleep(0.05)
            return run()

        return slowly

    found = fastest(
        lambda: torch.zeros(1), torch.device("cpu"), {"slow": slow, "fails": fails, "plain": lambda run: run}
    )
    assert found == "plain"
    assert "no such backend" in caplog.text
    with pytest.raises(RuntimeError, match="none of fails"):
        fastest(lambda: torch.zeros(1), torch.device("cpu"), {"fails": fails})


def test_ways_that_a_device_does_not_know_are_refused(sd1):
    assert isinstance(choose_forward(sd1, "auto", 8), PlainForward)
    with pytest.raises(ExecutionError, match="'fast': choose auto, plain, graphs, compile"):
        choose_forward(sd1, "fast", 8)
    with pytest.raises(ExecutionError, match="on CUDA only; on cpu choose"):
        choose_forward(sd1, "graphs", 8)
