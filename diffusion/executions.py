"""Ways to run a forward pass over fixed places in memory again and again.

Entry points: `Execution`, `executions`, the ways there are, and `fastest`, which measures them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter
from typing import Any, TypeAlias

import torch

logger = logging.getLogger(__name__)

Pass: TypeAlias = Callable[[], torch.Tensor]
"""Reads its inputs from where they lie; its result is good until it is called again."""
Execution: TypeAlias = Callable[[Pass], Pass]
"""Prepares a pass: the result does the same, faster."""

_WARM_UPS, _TIMED = 3, 10


class Captured:
    """Captures passes in CUDA graphs: all kernels of a pass are then started at once, without Python.

    A pass is run a few times first, on a stream of its own, so that whatever it compiles or allocates once is there
    (PyTorch documentation, "CUDA semantics: CUDA Graphs"). The graphs share their memory: only the last result of
    all of them is good.
    """

    def __init__(self) -> None:
        self._pool: Any = None

    def __call__(self, run: Pass) -> Pass:
        """Return what replays the pass."""
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream), torch.no_grad():
            for _ in range(_WARM_UPS):
                run()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.no_grad(), torch.cuda.graph(graph, pool=self._pool):
            result = run()

        def replay() -> torch.Tensor:
            graph.replay()
            return result

        return replay


def compiled(run: Pass) -> Pass:
    """Compile a pass; one compilation serves all sizes of batch."""
    compiled_pass: Pass = torch.compile(run, dynamic=True)
    return compiled_pass


def executions() -> Mapping[str, Execution]:
    """Return the ways to run passes on a GPU, by the name that settings give them.

    Compiling takes a minute or more, once.
    """
    captured, captured_compiled = Captured(), Captured()
    return {"graphs": captured, "compile": lambda run: captured_compiled(compiled(run))}


def fastest(run: Pass, device: torch.device, candidates: Mapping[str, Execution]) -> str:
    """Return the name of the candidate that runs a pass in the least time, by the median of some runs.

    Candidates that cannot be prepared on this device are left out, with a warning; raises RuntimeError where none
    can.
    """
    seconds: dict[str, float] = {}
    for name, execution in candidates.items():
        try:
            seconds[name] = _timed(execution(run), device)
        except RuntimeError as error:  # what torch raises for all that a backend cannot do
            logger.warning("Forward passes cannot be run by %s here: %s", name, error)
    if not seconds:
        raise RuntimeError(f"Forward passes can be run by none of {', '.join(candidates)}.")
    logger.info(
        "A forward pass takes %s.",
        ", ".join(f"{1000 * one:.1f} ms by {name}" for name, one in seconds.items()),
    )
    return min(seconds, key=lambda name: seconds[name])


def _timed(run: Pass, device: torch.device) -> float:
    """Return the median seconds of a pass that is warm."""
    times = []
    with torch.no_grad():
        for number in range(_WARM_UPS + _TIMED):
            begin = perf_counter()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if number >= _WARM_UPS:
                times.append(perf_counter() - begin)
    return median(times)
