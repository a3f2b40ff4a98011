"""The engine's life: mixed company, cancelling, deadlines, failures; the real engine on a tiny random model."""

import asyncio
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from held_engines import slow_steps
from tiny_pipelines import tiny_distilled

from benchmarks.plain_pipeline import by_the_plain_pipeline
from diffusion import (
    SCHEDULERS,
    DeadlineExceeded,
    DiffusionModel,
    Engine,
    EngineFailedError,
    Failed,
    Finished,
    GenerationCancelled,
    NonFiniteError,
    OutOfMemoryError,
    QueueFullError,
    Row,
    Sampling,
    Started,
    SteeringError,
    Stepped,
    added_at_site,
    make_scheduler,
)
from diffusion.events import Event
from diffusion.in_flight import Order
from diffusion.runner import Runner

PATIENCE_S = 120
SHORT = Sampling(num_inference_steps=4)
ROW = Row("a photo of a doctor", seed=1)


@pytest.fixture
def engine(sd1, make_vector, library):
    library.publish(make_vector(sd1))
    library.publish(make_vector(sd1, "man", seed=1, halves="both"))
    library.publish(make_vector(sd1, "late", seed=2, timesteps=(0, 400)))
    return Engine(sd1, library)


@contextmanager
def before_each_pass(model: DiffusionModel, check: Callable[[int], None]) -> Iterator[None]:
    """Call `check` with the number of U-Net rows before every forward pass."""

    def hook(_unet: object, args: Sequence[torch.Tensor]) -> None:
        check(len(args[0]))

    with model.pipe.unet.register_forward_pre_hook(hook):
        yield


def run(engine: Engine, orders: Sequence[Order], **options: object) -> list[Event]:
    """Everything that happens to orders until all have ended."""
    happened: queue.SimpleQueue[Event] = queue.SimpleQueue()
    engine.submit(orders, happened.put, **options)
    events = []
    while sum(isinstance(event, Finished | Failed) for event in events) < len(orders):
        events.append(happened.get(timeout=PATIENCE_S))
    return events


def errors(events: Sequence[Event]) -> dict[int, Exception]:
    return {event.image: event.error for event in events if isinstance(event, Failed)}


def pictures(events: Sequence[Event]) -> dict[int, np.ndarray]:
    return {
        event.image: np.asarray(event.result.image, int) for event in events if isinstance(event, Finished)
    }


def latents_together(engine: Engine, orders: Sequence[Order]) -> list[torch.Tensor]:
    """The finished latents of orders of one shape that are in flight together, each from its own step on."""
    runner = Runner(engine.model)
    rows = runner.begin(orders)
    finished: dict[int, torch.Tensor] = {}
    while len(finished) < len(rows):
        runner.step([row for row in rows if not row.is_finished])
        for index, row in enumerate(rows):
            if row.is_finished and index not in finished:
                finished[index] = runner.finish(row)
    return [finished[index] for index in range(len(rows))]


COMPANY = [
    (Row("a doctor", seed=2, negative_prompt="ugly", steering={"woman": 1.0}), Sampling(50)),
    (Row("a doctor", seed=2, steering={"man": -0.5}), Sampling(50, guidance_scale=7.5, scheduler="euler")),
    (Row("a dog", seed=3, steering={"late": 1.0}), Sampling(50, scheduler="pndm")),
    (Row("a nurse", seed=4), Sampling(10, guidance_scale=1.0, scheduler="dpm++-2m")),
    (Row("a nurse", seed=5, steering={"woman": 1, "late": 2}), Sampling(50, eta=0.5)),
    (Row("a man", seed=6, negative_prompt="a dog"), Sampling(50, scheduler="euler-ancestral")),
    (Row("a man", seed=7), Sampling(4, scheduler="lcm")),
    (Row("a woman", seed=8, steering={"man": 1.0}), Sampling(50, scheduler="dpm++-2m")),
]


@pytest.mark.parametrize("kind", ["sd1", "sd2", "sdxl"])
def test_latents_in_mixed_company_are_those_of_the_plain_pipeline(models, make_vector, library, kind):
    model = models[kind]
    library.publish(make_vector(model))
    library.publish(make_vector(model, "man", seed=1, halves="both"))
    library.publish(make_vector(model, "late", seed=2, timesteps=(0, 400)))
    engine = Engine(model, library)
    orders = [engine.prepare([row], sampling)[0] for row, sampling in COMPANY]
    together = latents_together(engine, orders)
    for order, latents in zip(orders, together, strict=True):
        plain = by_the_plain_pipeline(engine, order.row, order.sampling, "latent")
        assert (latents - plain).abs().max() <= 1e-3 * max(1, plain.abs().max()), order.sampling
        (alone,) = latents_together(engine, [order])
        assert (latents - alone).abs().max() <= 1e-3 * max(1, plain.abs().max())


@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
def test_a_vector_with_two_maps_is_that_of_the_plain_pipeline(models, make_vector, library, kind):
    model = models[kind]
    second = make_vector(model, seed=1).values
    library.publish(make_vector(model, "pair", halves="both", unconditional_values=second))
    library.publish(make_vector(model, "man", seed=2, halves="both"))
    engine = Engine(model, library)
    steerings = ({"pair": 0.7}, {}, {"man": -0.5, "pair": 1.0}, {"man": -0.5})
    orders = [
        engine.prepare([Row("a doctor", seed=2, steering=steering)], Sampling(5, guidance_scale=5.0))[0]
        for steering in steerings
    ]
    together = latents_together(engine, orders)
    for order, latents in zip(orders, together, strict=True):
        plain = by_the_plain_pipeline(engine, order.row, order.sampling, "latent")
        assert (latents - plain).abs().max() <= 1e-3 * max(1, plain.abs().max())


def test_two_maps_are_a_vector_for_each_half(sd1, make_vector, library):
    first, second = make_vector(sd1), make_vector(sd1, "calm", seed=1, halves="unconditional")
    for vector in (first, second, replace(first, concept="one-map", halves="both")):
        library.publish(vector)
    library.publish(replace(first, concept="pair", halves="both", unconditional_values=second.values))
    engine = Engine(sd1, library)

    def latents(steering: dict[str, float], guidance: float, **parts: object) -> torch.Tensor:
        row = Row("a doctor", seed=2, steering=steering, **parts)
        return latents_together(engine, engine.prepare([row], Sampling(5, guidance_scale=guidance)))[0]

    for parts in ({}, {"preserves_structure": True}):
        pair = latents({"pair": 0.7}, 5.0, **parts)
        torch.testing.assert_close(
            pair, latents({"woman": 0.7, "calm": 0.7}, 5.0, **parts), atol=1e-4, rtol=0
        )
        assert (pair - latents({"one-map": 0.7}, 5.0, **parts)).abs().max() > 1e-2
    with pytest.raises(SteeringError, match="there is no guidance"):
        latents({"pair": 0.7}, 1.0)


def test_a_model_that_embeds_guidance_takes_one_row_an_image(library, make_vector):
    model = DiffusionModel(tiny_distilled(), "distilled")
    library.publish(make_vector(model))
    engine = Engine(model, library)
    row = Row("a doctor", seed=2, steering={"woman": 1.0})
    orders = [
        engine.prepare([row], Sampling(4, guidance_scale=scale, scheduler="lcm"))[0] for scale in (3.0, 8.0)
    ]
    assert [len(order.passes) for order in orders] == [1, 1]
    made = latents_together(engine, orders)
    for order, latents in zip(orders, made, strict=True):
        assert (latents - by_the_plain_pipeline(engine, row, order.sampling, "latent")).abs().max() <= 1e-3
    assert (made[0] - made[1]).abs().max() > 1e-2


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_rows_without_steering_are_not_touched_by_their_neighbours_vectors(engine, scheduler):
    sampling = Sampling(5, scheduler=scheduler)
    strong = Row("a dog", seed=9, steering={"woman": 100.0})
    plain = Row("a nurse", seed=4)
    company = [engine.prepare([row], sampling)[0] for row in (plain, strong)]
    silent = [
        engine.prepare([row], sampling)[0] for row in (plain, Row("a dog", seed=9, steering={"woman": 0.0}))
    ]
    assert torch.equal(latents_together(engine, company)[0], latents_together(engine, silent)[0])


def test_structure_is_preserved_by_averaging_steered_and_unsteered_steps(engine):
    """Against a loop over diffusers' own scheduler, as the method's paper has it."""
    model = engine.model
    steering = {"woman": 1.0, "man": 0.5}
    row = Row("a doctor", seed=2, steering=steering, preserves_structure=True)
    (order,) = engine.prepare([row], Sampling(6, guidance_scale=4.0))
    (latents,) = latents_together(engine, [order])

    scheduler = make_scheduler("ddim", model.scheduler_config)
    scheduler.set_timesteps(6)
    prompts = {True: model.encode(["a doctor"]), False: model.encode_negative([""])}

    def predicted(steered: bool, conditional: bool) -> torch.Tensor:
        names = [name for name in steering if steered and (conditional or name == "man")]  # man is on both
        vectors = [steering[name] * engine.vectors.resolve(name).vector.values for name in names]
        with torch.no_grad(), added_at_site(model.pipe.unet, "mid_block", lambda h: h + sum(vectors)):
            return model.predict(expected, timestep[None], prompts[conditional])

    expected = torch.randn(1, *order.latent_shape, generator=torch.Generator().manual_seed(2))
    for timestep in scheduler.timesteps:
        stepped = [
            scheduler.step(
                torch.lerp(predicted(steered, False), predicted(steered, True), 4.0), timestep, expected
            ).prev_sample
            for steered in (True, False)
        ]
        expected = sum(stepped) / 2
    assert (latents - expected[0]).abs().max() <= 1e-4


def test_steering_is_restricted_to_a_range_of_steps(engine, library):
    rows = [
        Row("a doctor", seed=2, steering={"woman": 1.0}, steered_steps=steps)
        for steps in ((0.0, 0.5), (0.0, 1.0))
    ]
    orders = engine.prepare(rows, SHORT)
    first_half, whole = latents_together(engine, orders)
    until = round(float(orders[0].schedule.timesteps[1]))
    library.publish(replace(library.resolve("woman").vector, concept="early", timesteps=(until, 1000)))
    expected = by_the_plain_pipeline(engine, replace(rows[1], steering={"early": 1.0}), SHORT, "latent")
    assert (first_half - expected).abs().max() <= 1e-4
    assert (first_half - whole).abs().max() > 1e-2


def test_events_come_in_order_and_previews_with_every_second_step(engine):
    events = run(engine, engine.prepare([ROW], SHORT), preview_every=2)
    assert [type(event) for event in events] == [Started, Stepped, Stepped, Stepped, Stepped, Finished]
    steps = [event for event in events if isinstance(event, Stepped)]
    assert [(event.step, event.steps) for event in steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [event.preview is not None for event in steps] == [False, True, False, False]
    assert steps[1].preview.size == (8, 8)


def test_a_row_joins_those_in_flight_and_leaves_before_them(engine):
    order_of_ends: list[str] = []
    long, short = engine.prepare([ROW], Sampling(40)), engine.prepare([ROW], Sampling(2))
    done = threading.Event()

    def heard(name: str) -> Callable[[Event], None]:
        def hear(event: Event) -> None:
            if isinstance(event, Stepped) and event.step == 1 and name == "long":
                engine.submit(short, heard("short"))
            if isinstance(event, Finished | Failed):
                order_of_ends.append(name)
                if len(order_of_ends) == 2:
                    done.set()

        return hear

    engine.submit(long, heard("long"))
    assert done.wait(PATIENCE_S)
    assert order_of_ends == ["short", "long"]


def test_a_closed_stream_gives_up_its_rows_and_leaves_the_others(engine):
    orders = engine.prepare([ROW, ROW], Sampling(50))

    async def leave() -> list[Event]:
        seen = []
        async with aclosing(engine.stream(orders)) as events:
            async for event in events:
                seen.append(event)
                if len(seen) == 6:
                    break
        return seen

    assert len(asyncio.run(leave())) == 6
    passes: list[int] = []
    with before_each_pass(engine.model, passes.append):
        run(engine, engine.prepare([ROW], SHORT))
    assert passes[-4:] == [2, 2, 2, 2]
    assert len(passes) <= 5  # one more at most, that was under way when the rows were given up


def test_a_cancelled_task_gives_up_its_rows(engine):
    orders = engine.prepare([ROW], Sampling(900))
    seen: list[Event] = []

    async def consume() -> None:
        async with aclosing(engine.stream(orders)) as events:
            async for event in events:
                seen.append(event)

    async def main() -> None:
        task = asyncio.create_task(consume())
        while len(seen) < 5:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert not pictures(seen)
    assert len(pictures(run(engine, engine.prepare([ROW], SHORT)))) == 1


def test_a_task_that_is_cancelled_as_something_happens_gives_up_its_rows(engine):
    orders = engine.prepare([ROW], Sampling(900))
    seen: list[Event] = []

    async def consume() -> None:
        async with aclosing(engine.stream(orders, waiting_every_s=10)) as events:
            async for event in events:
                seen.append(event)

    async def main() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.create_task(consume())
        told = loop.call_soon_threadsafe

        def told_and_cancelled(tell: Callable[..., object], *args: object) -> object:
            loop.call_soon_threadsafe = told  # once is enough
            return told(lambda: (tell(*args), task.cancel()))

        while len(seen) < 5:
            await asyncio.sleep(0)
        loop.call_soon_threadsafe = told_and_cancelled
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert not pictures(seen)
    assert len(pictures(run(engine, engine.prepare([ROW], SHORT)))) == 1


def test_tenants_wait_in_the_order_of_their_shares(sd1, library):
    engine = Engine(sd1, library, 2, weights={"large": 3.0})
    started, release = threading.Event(), threading.Event()

    def hold(_rows: int) -> None:
        started.set()
        release.wait(PATIENCE_S)

    happened: queue.SimpleQueue[Event] = queue.SimpleQueue()
    orders = engine.prepare([replace(ROW, seed=seed) for seed in range(8)], Sampling(num_inference_steps=50))
    with before_each_pass(sd1, hold):
        first = engine.submit(orders[:1], happened.put, tenant="other")
        assert started.wait(PATIENCE_S)
        small = engine.submit(orders, happened.put, tenant="small")
        large = engine.submit(orders, happened.put, tenant="large")
        of_small, of_large = (sorted(one.positions().values()) for one in (small, large))
        assert sum(place <= 8 for place in of_large) == 3 * sum(place <= 8 for place in of_small)
        for submission in (first, small, large):
            submission.cancel()
        release.set()


def test_waiting_rows_have_positions_and_leave_with_their_call(engine):
    started = threading.Event()
    release = threading.Event()

    def hold(_rows: int) -> None:
        started.set()
        release.wait(PATIENCE_S)

    happened: queue.SimpleQueue[Event] = queue.SimpleQueue()
    with before_each_pass(engine.model, hold):
        first = engine.submit(engine.prepare([ROW] * 32, SHORT), happened.put)
        assert started.wait(PATIENCE_S)
        second = engine.submit(engine.prepare([ROW, ROW], SHORT), happened.put)
        assert second.positions() == {0: 1, 1: 2}
        assert first.positions() == {}
        second.cancel()
        assert second.positions() == {}
        ends = [happened.get(timeout=PATIENCE_S) for _ in range(34)]  # 32 started and two given up
        assert all(
            isinstance(event.error, GenerationCancelled) for event in ends if isinstance(event, Failed)
        )
        first.cancel()
        release.set()


def test_too_much_is_refused_as_a_whole(sd1, library):
    engine = Engine(sd1, library, 4, max_waiting=3)
    orders = engine.prepare([ROW] * 20, SHORT)
    with pytest.raises(QueueFullError) as refused:
        engine.submit(orders, lambda _event: None)
    assert refused.value.retry_after_s == 1  # nothing is known of the rate yet
    assert len(engine.generate([ROW] * 20, SHORT)) == 20  # which hands in no more than there is room for
    ended = queue.SimpleQueue()
    submission = engine.submit(engine.prepare([ROW] * 3, Sampling(900)), ended.put)
    with pytest.raises(QueueFullError) as refused:
        engine.submit(orders, lambda _event: None)
    assert refused.value.retry_after_s >= 1
    submission.cancel()


def test_a_deadline_ends_an_image_before_another_step(engine):
    with slow_steps(0.001):
        events = run(engine, engine.prepare([ROW], Sampling(900)), timeout_s=0.2)
    assert isinstance(errors(events)[0], DeadlineExceeded)
    assert sum(isinstance(event, Stepped) for event in events) < 900


@pytest.mark.parametrize("error", [None, torch.OutOfMemoryError("no room")])
def test_a_deadline_that_comes_during_a_step_ends_that_image_and_no_other(sd1, library, error):
    now_s = [0.0]
    engine = Engine(sd1, library, clock=lambda: now_s[0])
    late, other = engine.prepare([ROW], Sampling(1)), engine.prepare([ROW], SHORT)
    happened: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def too_long(_unet_rows: int) -> None:
        if not now_s[0]:
            now_s[0] = 2.0
            engine.submit(other, happened.put)  # who comes sees that it is too late for the one before
            if error is not None:
                raise error

    with before_each_pass(engine.model, too_long):
        events = run(engine, late, timeout_s=1.0)
    assert isinstance(errors(events)[0], DeadlineExceeded)
    while not isinstance(event := happened.get(timeout=PATIENCE_S), Finished):
        assert not isinstance(event, Failed), event
    assert engine.failure is None


def test_out_of_memory_halves_the_batch_and_loses_nothing(engine):
    rows = [Row("a dog", seed=seed, steering={"woman": 1.0}) for seed in range(12)]
    expected = engine.generate(rows, SHORT)
    passes = []

    def limited(unet_rows: int) -> None:
        passes.append(unet_rows)
        if unet_rows > 9:
            raise torch.OutOfMemoryError("no room")

    with before_each_pass(engine.model, limited):
        made = engine.generate(rows, SHORT)
    assert max(passes) > 9
    assert engine.statistics.out_of_memory == sum(unet_rows > 9 for unet_rows in passes)
    for one, other in zip(expected, made, strict=True):
        assert np.abs(np.asarray(one.image, int) - np.asarray(other.image, int)).max() <= 1


def test_an_image_that_alone_is_too_much_fails_with_the_cure(engine):
    def never(_rows: int) -> None:
        raise torch.OutOfMemoryError("no room")

    with (
        before_each_pass(engine.model, never),
        pytest.raises(OutOfMemoryError, match="ask for a smaller picture"),
    ):
        engine.generate([ROW], SHORT)
    assert engine.failure is None
    assert len(engine.generate([ROW], SHORT)) == 1


def test_an_image_of_no_numbers_fails_alone(engine, make_vector, sd1, library):
    library.publish(make_vector(sd1, "huge", seed=3))
    rows = [ROW, Row("a dog", seed=5, steering={"huge": 1e38})]
    events = run(engine, engine.prepare(rows, SHORT))
    assert isinstance(errors(events)[1], NonFiniteError)
    assert list(pictures(events)) == [0]


def test_room_is_refused_as_it_would_be_when_handed_in(sd1, library):
    engine = Engine(sd1, library, 4, max_waiting=3)
    engine.check_room(3)
    with pytest.raises(QueueFullError, match="at most 3 images at once"):
        engine.check_room(4)
    assert engine.done_within_s() == 0
    submission = engine.submit(engine.prepare([ROW] * 3, Sampling(900)), lambda _event: None)
    with pytest.raises(QueueFullError):
        engine.check_room(4)
    submission.cancel()


def test_a_broken_step_fails_what_is_in_flight_and_the_engine_begins_anew_once(engine):
    def broken(_rows: int) -> None:
        raise RuntimeError("broken")

    for attempt in (1, 2):
        with before_each_pass(engine.model, broken):
            events = run(engine, engine.prepare([ROW, ROW], SHORT))
        assert all(isinstance(error, EngineFailedError) for error in errors(events).values())
        assert len(errors(events)) == 2
        if attempt == 1:
            assert engine.failure is None
            assert len(engine.generate([ROW], SHORT)) == 1
    assert "Restart the process" in str(engine.failure)
    assert engine.statistics.failures == 2
    with pytest.raises(EngineFailedError, match="twice"):
        engine.submit(engine.prepare([ROW], SHORT), lambda _event: None)


def test_rows_that_are_asked_for_at_once_step_together_each_time(engine, eager_threads):
    def sizes() -> list[int]:
        passes: list[int] = []
        with before_each_pass(engine.model, passes.append):
            engine.generate([ROW] * 12, SHORT)
        return passes

    first = sizes()
    assert all(sizes() == first for _ in range(9))


def test_what_was_done_is_counted_as_it_was_done(engine):
    passes: list[int] = []
    steered = Row("a dog", seed=3, steering={"woman": 1.0})
    combined = Row("a dog", seed=4, steering={"woman": 1.0, "late": 0.5, "man": 0.0})
    rows = [ROW, steered, steered, combined]
    with before_each_pass(engine.model, passes.append):
        engine.generate(rows, SHORT)
    now = engine.statistics
    assert (sum(now.step_unet_rows.counts), now.step_unet_rows.total) == (len(passes), sum(passes))
    assert (sum(now.step_rows.counts), now.step_rows.total) == (len(passes), sum(passes) / 2)
    assert sum(now.step_s.counts) == len(passes)
    assert now.step_s.total > 0
    assert sum(now.queue_s.counts) == len(rows)
    assert 1 <= sum(now.decode_s.counts) <= len(rows)
    assert list(now.finished_rows) == [1, 2, 1, 0, 0, 0, 0, 0, 0]
    assert (now.waiting_rows, now.running_rows, now.failures, now.out_of_memory) == (0, 0, 0, 0)


def test_statistics_are_read_while_a_step_runs_and_waiting_is_timed(sd1, library):
    now_s = [0.0]
    engine = Engine(sd1, library, max_batch_rows=4, clock=lambda: now_s[0])
    started, release = threading.Event(), threading.Event()

    def hold(_rows: int) -> None:
        started.set()
        assert release.wait(PATIENCE_S)

    happened: queue.SimpleQueue[Event] = queue.SimpleQueue()
    with before_each_pass(engine.model, hold):
        engine.submit(engine.prepare([ROW] * 5, SHORT), happened.put)
        assert started.wait(PATIENCE_S)
        during = engine.statistics
        now_s[0] = 30.0
        release.set()
        ends = 0
        while ends < 5:
            ends += isinstance(happened.get(timeout=PATIENCE_S), Finished)
    assert (during.running_rows, during.waiting_rows, sum(during.step_s.counts)) == (2, 3, 0)
    after = engine.statistics
    # Two began at once; the clock went on by 30 s during their first step, while the others waited.
    assert after.queue_s.total == 3 * 30
    assert after.step_s.total == 30
    within = dict(zip((*after.queue_s.bounds, None), after.queue_s.counts, strict=True))
    assert {bound: count for bound, count in within.items() if count} == {0.001: 2, 30: 3}


def test_an_engine_that_cannot_begin_anew_says_so_and_leaves_nobody_waiting(engine, monkeypatch):
    def broken(_rows: int) -> None:
        raise RuntimeError("broken")

    orders, meanwhile = engine.prepare([ROW], SHORT), queue.SimpleQueue()

    def no_device() -> Runner:
        engine.submit(orders, meanwhile.put)  # who comes before it is known
        raise RuntimeError("no device")

    monkeypatch.setattr(engine._loop, "_make_runner", no_device)
    with before_each_pass(engine.model, broken):
        events = run(engine, orders)
    assert "broken" in str(errors(events)[0])
    assert "no device" in str(meanwhile.get(timeout=PATIENCE_S).error)
    assert "could not begin anew: RuntimeError('no device')" in str(engine.failure)
    with pytest.raises(EngineFailedError, match="Restart the process"):
        engine.submit(orders, lambda _event: None)
    with pytest.raises(EngineFailedError, match="Restart the process"):
        engine.check_room(1)


def test_who_cannot_be_told_is_not_worked_for(engine):
    def deaf(_event: Event) -> None:
        raise RuntimeError("deaf")

    passes: list[int] = []
    with before_each_pass(engine.model, passes.append):
        engine.submit(engine.prepare([ROW], Sampling(900)), deaf)
        run(engine, engine.prepare([ROW], SHORT))
    assert len(passes) < 20
    assert engine.failure is None


def test_the_thread_ends_when_there_is_nothing_to_do(engine, monkeypatch):
    monkeypatch.setattr("diffusion.step_loop._LINGER_S", 0.05)
    engine.generate([ROW], SHORT)
    deadline = time.monotonic() + PATIENCE_S
    while any(thread.name == "trimtab-engine" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert len(engine.generate([ROW], SHORT)) == 1


def test_a_process_that_ends_while_images_are_made_ends_well(folders, tmp_path):
    code = (
        "import queue, sys\n"
        "from diffusion import Engine, Row, Sampling, load_model\n"
        "from vectors import VectorLibrary\n"
        "engine = Engine(load_model(sys.argv[1], device='cpu'), VectorLibrary(sys.argv[2]))\n"
        "happened = queue.SimpleQueue()\n"
        "engine.submit(engine.prepare([Row('a dog', n) for n in range(8)], Sampling(900)), happened.put)\n"
        "happened.get()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(folders["sd1"]), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "terminate" not in ended.stderr
