import threading

import numpy as np
import pytest

from benchmarks.plain_pipeline import by_the_plain_pipeline
from diffusion import (
    SCHEDULERS,
    AppliedVector,
    Engine,
    GenerationCancelled,
    PromptTooLongError,
    Row,
    Sampling,
    SamplingError,
    SiteError,
    SizeError,
    SteeringError,
    UnknownSchedulerError,
)
from vectors.errors import UnknownConceptError, VectorMismatchError

ROWS = [
    Row("a photo of a woman", seed=1),
    Row("a doctor", seed=2, negative_prompt="ugly", steering={"woman": 1.0}),
    Row("a dog", seed=3, negative_prompt="a man"),
    Row("a doctor", seed=2, negative_prompt="ugly"),
    Row("a nurse", seed=2**64 - 1, steering={"woman": 0.5, "man@1": -1.0}),
]
SHORT = Sampling(num_inference_steps=3)


@pytest.fixture
def engine(model, make_vector, library):
    library.publish(make_vector(model))
    library.publish(make_vector(model, "man", seed=1, halves="both"))
    return Engine(model, library)


@pytest.fixture
def sd1_engine(sd1, make_vector, library):
    library.publish(make_vector(sd1))
    library.publish(make_vector(sd1, "man", seed=1))
    return Engine(sd1, library, max_batch_rows=2)


def difference(one, other):
    """The largest difference of two pictures, of 255."""
    return int(np.abs(np.asarray(one, int) - np.asarray(other, int)).max())


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_each_image_is_the_one_the_plain_pipeline_makes(engine, scheduler):
    sampling = Sampling(num_inference_steps=5, scheduler=scheduler)
    images = engine.generate(ROWS, sampling)
    for row, made in zip(ROWS, images, strict=True):
        assert difference(made.image, by_the_plain_pipeline(engine, row, sampling, "pil")) <= 1
    assert difference(images[1].image, images[3].image) > 1  # the same but for its steering


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(num_inference_steps=3, guidance_scale=1.0),
        Sampling(num_inference_steps=3, guidance_scale=7.5, height=48, width=40),
    ],
)
def test_guidance_and_size_are_those_asked_for(engine, sampling):
    images = engine.generate(ROWS[:3], sampling)
    for row, made in zip(ROWS, images, strict=False):
        expected = by_the_plain_pipeline(engine, row, sampling, "pil")
        assert made.image.size == expected.size == (sampling.width or 32, sampling.height or 32)
        assert difference(made.image, expected) <= 1


def test_images_say_where_they_come_from(sd1_engine, library, make_vector, sd1):
    library.publish(make_vector(sd1, seed=5))
    rows = [
        Row("a dog", seed=7, steering={"woman": 0.5, "woman@1": 0.0, "man@1": -1.0}),
        Row("a man", seed=8),
    ]
    steered, plain = sd1_engine.generate(rows, SHORT)
    assert (steered.seed, steered.prompt) == (7, "a dog")
    assert steered.applied == (
        AppliedVector("woman", 2, library.resolve("woman@2").digest, 0.5),
        AppliedVector("man", 1, library.resolve("man@1").digest, -1.0),
    )
    assert (plain.seed, plain.prompt, plain.applied) == (8, "a man", ())


def test_batches_do_not_matter(sd1_engine, sd1, library):
    in_pairs = sd1_engine.generate(ROWS, SHORT)
    at_once = Engine(sd1, library, max_batch_rows=16).generate(ROWS, SHORT)
    assert [made.prompt for made in in_pairs] == [row.prompt for row in ROWS]
    assert all(difference(a.image, b.image) <= 1 for a, b in zip(in_pairs, at_once, strict=True))


def test_no_rows_make_no_images(sd1_engine):
    assert sd1_engine.generate([], SHORT) == []


@pytest.mark.parametrize(("scheduler", "steps"), [("ddim", 3), ("pndm", 4)])
def test_progress_counts_the_steps_of_all_images(sd1_engine, scheduler, steps):
    told = []
    sd1_engine.generate(
        ROWS[:3],
        Sampling(num_inference_steps=3, scheduler=scheduler),
        on_step=lambda done, total: told.append((done, total)),
    )
    assert told == [(done, 3 * steps) for done in range(1, 3 * steps + 1)]


def test_cancelling_stops_at_the_next_step_and_leaves_the_engine_usable(sd1_engine):
    before = sd1_engine.generate(ROWS[:2], SHORT)
    told = []
    with pytest.raises(GenerationCancelled, match="after 4 of 15 image steps"):
        sd1_engine.generate(
            ROWS, SHORT, on_step=lambda done, _: told.append(done), cancelled=lambda: len(told) == 4
        )
    assert told == [1, 2, 3, 4]
    after = sd1_engine.generate(ROWS[:2], SHORT)
    assert not sd1_engine.model.pipe.unet.mid_block._forward_hooks
    assert all(difference(a.image, b.image) == 0 for a, b in zip(before, after, strict=True))


def test_cancelled_before_it_begins(sd1_engine):
    told = []
    with pytest.raises(GenerationCancelled, match="after 0 of 15"):
        sd1_engine.generate(ROWS, SHORT, on_step=lambda done, _: told.append(done), cancelled=lambda: True)
    assert told == []


def test_an_error_in_a_callback_leaves_the_engine_usable(sd1_engine):
    def broken(_done, _total):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        sd1_engine.generate(ROWS, SHORT, on_step=broken)
    assert len(sd1_engine.generate(ROWS[:1], SHORT)) == 1


def test_threads_do_not_disturb_each_other(sd1_engine):
    calls = [(ROWS[:3], SHORT), (ROWS[3:], Sampling(num_inference_steps=4, scheduler="euler"))]
    alone = [sd1_engine.generate(rows, sampling) for rows, sampling in calls]
    together = {}

    def call(index):
        together[index] = sd1_engine.generate(*calls[index])

    threads = [threading.Thread(target=call, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, expected in enumerate(alone):
        assert all(difference(a.image, b.image) <= 1 for a, b in zip(expected, together[index], strict=True))


@pytest.mark.parametrize(
    ("row", "sampling", "error", "message"),
    [
        ({}, {"scheduler": "dimm"}, UnknownSchedulerError, "No scheduler 'dimm'. Did you mean ddim"),
        ({}, {"num_inference_steps": 0}, SamplingError, "ddim cannot take 0 steps"),
        ({}, {"num_inference_steps": 1001}, SamplingError, "ddim cannot take 1001 steps"),
        ({}, {"num_inference_steps": 60, "scheduler": "lcm"}, SamplingError, "lcm cannot take 60 steps"),
        ({}, {"guidance_scale": float("nan")}, SamplingError, "guidance scale nan"),
        ({}, {"height": 36}, SizeError, "height 36"),
        ({}, {"width": 0}, SizeError, "width 0"),
        ({"seed": -1}, {}, SamplingError, "seed -1"),
        ({"steered_steps": (0.5, 0.5)}, {}, SamplingError, "steered_steps 0.5 to 0.5"),
        ({"seed": 2**64}, {}, SamplingError, "seed 18446744073709551616"),
        ({"prompt": "woman " * 20}, {}, PromptTooLongError, "has 22 tokens"),
        ({"negative_prompt": "man " * 20}, {}, PromptTooLongError, "has 22 tokens"),
        ({"steering": {"woman": float("inf")}}, {}, SteeringError, "strength inf of 'woman'"),
        ({"steering": {"womam": 1.0}}, {}, UnknownConceptError, "'womam'"),
        ({"steering": {"woman@7": 1.0}}, {}, UnknownConceptError, "version 7"),
        ({"steering": {"foreign": 1.0}}, {}, VectorMismatchError, "'foreign'"),
        ({"steering": {"misplaced": 1.0}}, {}, SiteError, "'nowhere'"),
    ],
)
def test_what_cannot_be_made_is_refused_before_any_work(
    sd1_engine, library, make_vector, sd1, models, watched, row, sampling, error, message
):
    library.publish(make_vector(models["sdxl"], "foreign"))
    library.publish(make_vector(sd1, "misplaced", site="nowhere"))
    rows = [ROWS[0], Row(**({"prompt": "a dog", "seed": 0} | row))]
    with watched(sd1.pipe.unet) as passes:
        for refuse in (sd1_engine.prepare, sd1_engine.generate):
            with pytest.raises(error) as raised:
                refuse(rows, Sampling(**({"num_inference_steps": 3} | sampling)))
            assert message in str(raised.value)
    assert not passes


def test_preparing_what_can_be_made_makes_nothing(sd1_engine, watched):
    with watched(sd1_engine.model.pipe.unet) as passes:
        assert len(sd1_engine.prepare(ROWS, SHORT)) == len(ROWS)
    assert not passes


def test_batches_hold_at_least_one_row(sd1, library):
    with pytest.raises(SamplingError, match="Batches of 0 rows"):
        Engine(sd1, library, max_batch_rows=0)


def test_free_rows_count_what_waits_and_runs_by_its_passes_and_its_area(sd1, make_vector, library):
    engine = Engine(sd1, library, max_batch_rows=8)
    assert engine.free_rows == 8
    long = Sampling(num_inference_steps=500)
    guided = engine.submit(engine.prepare([Row("a cat", seed) for seed in range(2)], long), lambda _: None)
    assert engine.free_rows == 4
    unguided = Sampling(num_inference_steps=500, guidance_scale=1.0)
    plain = engine.submit(engine.prepare([Row("a cat", 1)], unguided), lambda _: None)
    assert engine.free_rows == 3
    height, width = (2 * side for side in sd1.default_size)
    large = Sampling(num_inference_steps=500, height=height, width=width)
    larger = engine.submit(engine.prepare([Row("a cat", 1)], large), lambda _: None)
    assert engine.free_rows < 3 - 4 * 2  # four times the area, and attention on top
    for submission in (guided, plain, larger):
        submission.cancel()
    assert engine.free_rows == 8
