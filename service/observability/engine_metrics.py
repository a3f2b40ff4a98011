"""The engine's statistics as metrics, read when the metrics are: the engine's thread knows nothing of them.

Entry point: `EngineMetrics`, a Prometheus collector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from diffusion.statistics import Distribution, Statistics


class EngineMetrics(Collector):
    """Asks for the engine's statistics; without an engine its metrics have no samples."""

    def __init__(self, read: Callable[[], Statistics | None]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        now = self._read()
        yield _gauge(
            "trimtab_waiting_rows", "Images that wait for the engine.", now, lambda one: one.waiting_rows
        )
        yield _gauge("trimtab_running_rows", "Images that take steps.", now, lambda one: one.running_rows)
        yield _histogram(
            "trimtab_step_rows", "Images in each step of the engine.", now, lambda one: one.step_rows
        )
        yield _histogram(
            "trimtab_step_unet_rows",
            "U-Net rows in each step: two an image with guidance, one without.",
            now,
            lambda one: one.step_unet_rows,
        )
        yield _histogram(
            "trimtab_step_seconds", "Seconds of each step of the engine.", now, lambda one: one.step_s
        )
        yield _histogram(
            "trimtab_row_queue_seconds",
            "Seconds that each image waited for its first step.",
            now,
            lambda one: one.queue_s,
        )
        yield _histogram(
            "trimtab_decode_seconds",
            "Seconds of each decoding of a few images.",
            now,
            lambda one: one.decode_s,
        )
        yield _rows(now)
        yield _counter(
            "trimtab_engine_failures",
            "How often the engine failed and began anew.",
            now,
            lambda one: one.failures,
        )
        yield _counter(
            "trimtab_out_of_memory",
            "How often a step did not fit into the device's memory, and went on with fewer images.",
            now,
            lambda one: one.out_of_memory,
        )


def _gauge(name: str, says: str, now: Statistics | None, read: Callable[[Statistics], float]) -> Metric:
    family = GaugeMetricFamily(name, says)
    if now is not None:
        family.add_metric([], read(now))
    return family


def _counter(name: str, says: str, now: Statistics | None, read: Callable[[Statistics], float]) -> Metric:
    family = CounterMetricFamily(name, says)
    if now is not None:
        family.add_metric([], read(now))
    return family


def _histogram(
    name: str, says: str, now: Statistics | None, read: Callable[[Statistics], Distribution]
) -> Metric:
    family = HistogramMetricFamily(name, says)
    if now is not None:
        counted = read(now)
        bounds = (*(str(float(bound)) for bound in counted.bounds), "+Inf")
        family.add_metric([], list(zip(bounds, accumulate(counted.counts), strict=True)), counted.total)
    return family


def _rows(now: Statistics | None) -> Metric:
    family = CounterMetricFamily(
        "trimtab_rows",
        "Images that the engine made, by how many vectors were added: unsteered, steered (one), combined (several).",
        labels=["steering", "vectors"],
    )
    if now is not None:
        most = len(now.finished_rows) - 1
        for vectors, rows in enumerate(now.finished_rows):
            steering = "unsteered" if vectors == 0 else "steered" if vectors == 1 else "combined"
            family.add_metric([steering, f"{vectors}+" if vectors == most else str(vectors)], rows)
    return family
