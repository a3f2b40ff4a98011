"""Images a second of the engine, against diffusers alone and in closed batches, with mixed requests.

Callers ask for one image each, with 10 to 50 steps, several guidance scales and the demo's default policy, and ask
again as soon as they are answered. Compared in one run, on the same requests:

    lock       one call of the diffusers pipeline per request, one at a time
    batches    diffusers on closed batches: requests that agree in steps and guidance, taken when the last batch is done
    engine     step-level batching

The ceiling is the forward pass alone, by its U-Net rows, among them as many as the engine's passes have on average; how
much of its time a server spends in forward passes is timed in its own run, as the machine's pace changes from minute to
minute.

    python -m benchmarks.engine --json benchmarks/results/engine.json
    python -m benchmarks.engine --quick
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, quantiles
from typing import Annotated, Protocol

import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.concepts import loaded_concepts
from benchmarks.machine import described, on_all_cores
from detectors import DemoOracle
from diffusion import (
    DiffusionModel,
    Engine,
    Event,
    Failed,
    Finished,
    Row,
    Sampling,
    leave_cores_to_engines,
    make_scheduler,
    steer,
)
from diffusion.cores import take_cores
from policies.image_plan import joined_negative_prompt
from policies.plan import plan
from service.settings import Settings
from trimtab import DEMO_MODEL, load_model, shipped_library
from vectors import VectorLibrary

STEPS = (10, 20, 30, 50)
GUIDANCE = (1.0, 3.0, 5.0, 7.5)
PROMPTS = (
    "a photo of a doctor",
    "a photo of a nurse in a park",
    "a photo of a judge",
    "a photo of a farmer on a beach",
    "a photo of a builder",
)
MAX_CLOSED_BATCH = 16


@dataclass(frozen=True)
class Request:
    """One image that a caller asks for."""

    row: Row
    sampling: Sampling


def requests(seed: int, library: VectorLibrary) -> list[Request]:
    """Return a thousand requests, the same for the same seed; half of them under a policy, half without."""
    draw = random.Random(seed)
    settings = Settings()
    concepts = loaded_concepts(library)
    made = []
    for number in range(1000):
        prompt = draw.choice(PROMPTS)
        sampling = Sampling(draw.choice(STEPS), draw.choice(GUIDANCE))
        # Without guidance the default policy is refused.
        name = draw.choice(("default", "research-off")) if sampling.guidance_scale > 1 else "research-off"
        policy = settings.policies[name].model_copy(update={"max_norm": None})
        (image,) = plan(policy, prompt, seeds=[number], concepts=concepts)
        row = Row(prompt, number, joined_negative_prompt(image.words, ""), image.strengths)
        made.append(Request(row, sampling))
    return made


@dataclass(frozen=True)
class Pass:
    """One forward pass of the U-Net."""

    rows: int
    seconds: float


class Server(Protocol):
    """Something that makes images for callers on other threads."""

    name: str

    def ask(self, request: Request) -> Future[float]:
        """Take on a request; the future ends when its image is there."""
        ...

    def close(self) -> None:
        """Stop."""
        ...


class EngineServer:
    """Trimtab's engine."""

    name = "engine"

    def __init__(self, model: DiffusionModel, library: VectorLibrary, max_batch_rows: int) -> None:
        self._engine = Engine(model, library, max_batch_rows)

    def ask(self, request: Request) -> Future[float]:
        """Hand it in."""
        answer: Future[float] = Future()

        def hear(event: Event) -> None:
            if isinstance(event, Finished):
                answer.set_result(time.perf_counter())
            elif isinstance(event, Failed):
                answer.set_exception(event.error)

        self._engine.submit(self._engine.prepare([request.row], request.sampling), hear)
        return answer

    def close(self) -> None:
        """Nothing to stop: its thread ends by itself."""


class PipelineServer:
    """The diffusers pipeline, on a thread of its own, with up to so many equal requests in a batch."""

    def __init__(self, model: DiffusionModel, library: VectorLibrary, batch: int) -> None:
        self.name = "lock" if batch == 1 else "batches"
        self._model, self._library, self._batch = model, library, batch
        self._waiting: list[tuple[Request, Future[float]]] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def ask(self, request: Request) -> Future[float]:
        """Put it in the queue."""
        answer: Future[float] = Future()
        with self._changed:
            self._waiting.append((request, answer))
            self._changed.notify()
        return answer

    def close(self) -> None:
        """Finish what runs."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        take_cores()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                sampling = self._waiting[0][0].sampling
                alike = [one for one in self._waiting if one[0].sampling == sampling][: self._batch]
                self._waiting = [one for one in self._waiting if one not in alike]
            self._run([request for request, _ in alike])
            for _, answer in alike:
                answer.set_result(time.perf_counter())

    def _run(self, batch: Sequence[Request]) -> None:
        pipe, sampling = self._model.pipe, batch[0].sampling
        pipe.scheduler = make_scheduler(sampling.scheduler, self._model.scheduler_config)
        with steer(pipe, [request.row.steering for request in batch], vectors=self._library):
            pipe(
                [request.row.prompt for request in batch],
                negative_prompt=[request.row.negative_prompt for request in batch],
                num_inference_steps=sampling.num_inference_steps,
                guidance_scale=sampling.guidance_scale,
                generator=[torch.Generator().manual_seed(request.row.seed) for request in batch],
            )


def saturated(server: Server, asked: Sequence[Request], callers: int, seconds: float) -> float:
    """Return the images a second that so many callers get, after a warm-up of a fifth of the time.

    Counted by U-Net work, so that which requests happen to end within the time does not matter: the work done a
    second over the mean work of a request.
    """
    turn = iter(asked)
    lock, stop = threading.Lock(), threading.Event()
    ends: list[tuple[float, int]] = []

    def call() -> None:
        while not stop.is_set():
            with lock:
                request = next(turn)
            end = server.ask(request).result()
            with lock:
                ends.append((end, _work(request)))

    threads = [threading.Thread(target=call) for _ in range(callers)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    first, last = begin + seconds / 5, begin + seconds
    within = [(end, work) for end, work in ends if first <= end <= last]
    if len(within) < 2:
        return 0.0
    elapsed = within[-1][0] - within[0][0]
    done = sum(work for _, work in within[1:])
    return done / fmean(_work(request) for request in asked) / elapsed


def _work(request: Request) -> int:
    return request.sampling.num_inference_steps * (2 if request.sampling.guidance_scale > 1 else 1)


def poisson(server: Server, asked: Sequence[Request], rate: float, seconds: float) -> dict[str, float]:
    """Return the latencies in seconds of requests that arrive at random, so many a second on average."""
    draw = random.Random(0)
    begin = time.perf_counter()
    answers: list[tuple[float, Future[float]]] = []
    arrival = 0.0
    for request in asked:
        arrival += draw.expovariate(rate)
        if arrival > seconds:
            break
        time.sleep(max(0.0, begin + arrival - time.perf_counter()))
        answers.append((time.perf_counter(), server.ask(request)))
    latencies = [answer.result() - start for start, answer in answers]
    if len(latencies) < 2:
        return {"p50_s": float("nan"), "p95_s": float("nan")}
    cuts = quantiles(latencies, n=20, method="inclusive")
    return {"p50_s": cuts[9], "p95_s": cuts[18]}


def ceiling(model: DiffusionModel, sizes: Sequence[int], passes: float, repeats: int) -> dict[int, float]:
    """Return the images a second that the forward pass alone allows, by its U-Net rows.

    `passes` is the mean number of U-Net rows of a request over all its steps.
    """
    found = {}
    for rows in sizes:
        latents = torch.randn(rows, *model.latent_shape(*model.default_size))
        timesteps = torch.linspace(0, 999, rows)
        encoding = model.encode([PROMPTS[0]] * rows)
        with torch.no_grad():
            model.predict(latents, timesteps, encoding)
            begin = time.perf_counter()
            for _ in range(repeats):
                model.predict(latents, timesteps, encoding)
        found[rows] = rows * repeats / (time.perf_counter() - begin) / passes
    return found


@contextmanager
def timed_passes(model: DiffusionModel) -> Iterator[list[Pass]]:
    """Give every forward pass of the U-Net inside the `with` block, as it was in the run itself."""
    passes: list[Pass] = []
    begins: list[float] = []

    def begin(_unet: object, _args: object) -> None:
        begins.append(time.perf_counter())

    def end(_unet: object, args: Sequence[torch.Tensor], _output: object) -> None:
        passes.append(Pass(len(args[0]), time.perf_counter() - begins.pop()))

    unet = model.pipe.unet
    with unet.register_forward_pre_hook(begin), unet.register_forward_hook(end):
        yield passes


def as_stated(engine: Engine, images: int) -> dict[str, float]:
    """Return how many pictures show what their prompt and their vectors say, by the oracle."""
    oracle = DemoOracle()
    shares = {}
    for attribute, value, row in (
        ("gender", "woman", Row("a photo of a female judge", 0)),
        ("gender", "woman", Row("a photo of a judge", 0, steering={"woman": 1.0})),
        ("race", "black", Row("a photo of a builder", 0, steering={"black": 1.0})),
        ("heart", "no", Row("a photo of a gorgeous judge", 0, steering={"anti-sexual": 1.0})),
    ):
        rows = [Row(row.prompt, seed, steering=row.steering) for seed in range(images)]
        made = engine.generate(rows, Sampling(20))
        read = oracle.read([one.image for one in made])
        shares[f"{row.prompt} {dict(row.steering) or ''}".strip()] = fmean(
            reading.get(attribute) == value for reading in read
        )
    return shares


def main(
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Under two minutes, with rougher figures.")] = False,
    callers: Annotated[int, typer.Option(help="Concurrent callers.")] = 32,
    max_batch_rows: Annotated[int, typer.Option(help="U-Net rows in a step of the engine.")] = 64,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    threads: Annotated[int | None, typer.Option(help="Torch's threads. [default: all cores]")] = None,
) -> None:
    """Compare throughput and latency; see the head of this file."""
    if threads:
        torch.set_num_threads(threads)
    seconds, repeats, images = (8.0, 2, 8) if quick else (90.0, 8, 60)
    if quick:
        callers = min(callers, 12)  # one at a time, what is under way when time is up takes longest
    library = shipped_library()
    asked = requests(0, library)
    passes = fmean(_work(request) for request in asked)
    result: dict[str, object] = described(device) | {
        "callers": callers,
        "max_batch_rows": max_batch_rows,
        "seconds": seconds,
    }
    leave_cores_to_engines()
    console = Console()
    throughput: dict[str, float] = {}
    in_forward: dict[str, float] = {}
    for dtype in ("float32", "bfloat16"):
        model = load_model(DEMO_MODEL, device=device, dtype=dtype)
        servers: list[Callable[[], Server]] = [lambda m=model: EngineServer(m, library, max_batch_rows)]
        if dtype == "float32":
            servers = [
                lambda m=model: PipelineServer(m, library, 1),
                lambda m=model: PipelineServer(m, library, MAX_CLOSED_BATCH),
                *servers,
            ]
        for make in servers:
            server = make()
            name = f"{server.name}, {dtype}"
            console.print(f"{name}: {seconds:.0f} s ...")
            with timed_passes(model) as in_passes:
                begin = time.perf_counter()
                throughput[name] = saturated(server, asked, callers, seconds)
                in_forward[name] = sum(one.seconds for one in in_passes) / (time.perf_counter() - begin)
            server.close()
        usual = round(fmean(one.rows for one in in_passes))  # the engine's, which is the last
        sizes = sorted({1, 2, 4, 8, 16, 32, 64, usual})
        allowed = on_all_cores(partial(ceiling, model, sizes, passes, repeats))
        result[f"rows of the engine's passes, {dtype}"] = usual
        result[f"ceiling images/s, {dtype}"] = {str(rows): round(rate, 3) for rows, rate in allowed.items()}
        result[f"as stated, {dtype}"] = as_stated(Engine(model, library, max_batch_rows), images)
        if dtype == "float32":
            latency = {}
            capacity = throughput["batches, float32"]
            for load in (0.8,) if quick else (0.5, 0.8, 0.95):
                for make in servers[1:]:
                    server = make()
                    console.print(
                        f"{server.name}: Poisson arrivals at {load:.0%} of the batches' capacity ..."
                    )
                    latency[f"{server.name} at {load:g}"] = {
                        key: round(value, 3)
                        for key, value in poisson(server, asked, load * capacity, seconds).items()
                    }
                    server.close()
            result["latency, float32"] = latency
    result["images/s"] = {name: round(rate, 3) for name, rate in throughput.items()}
    result["share of the time in forward passes"] = {
        name: round(share, 3) for name, share in in_forward.items()
    }
    base, batches = throughput["lock, float32"], throughput["batches, float32"]
    result["times the lock"] = {name: round(rate / base, 2) for name, rate in throughput.items()}
    result["times the batches"] = {name: round(rate / batches, 2) for name, rate in throughput.items()}
    table = Table("", "images/s", "times the lock", "times the batches", "time in forward passes")
    for name, rate in throughput.items():
        table.add_row(
            name, f"{rate:.2f}", f"{rate / base:.2f}", f"{rate / batches:.2f}", f"{in_forward[name]:.1%}"
        )
    console.print(table)
    console.print_json(json.dumps(result))
    if json_path is not None:
        json_path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
