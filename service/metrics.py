"""What the service counts, in a registry of its own so that two apps in one process do not mix.

Entry point: `Metrics`. Prompts, keys, tenants and ids are never labels; names that others choose are bounded in number.
What the engine, the catalogue and fairness say of themselves is in `service.observability`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from service.observability.engine_metrics import EngineMetrics
from service.observability.labels import BoundedLabel
from service.observability.loaded_metrics import LoadedMetrics
from service.observability.observer import FloorRefusal
from service.observability.served_metrics import ServedMetrics

if TYPE_CHECKING:
    from diffusion.statistics import Statistics
    from policies.gate import Decision
    from service.generation import Generation
    from service.loading import LoadedModel

LATENCY_BUCKETS_S = (0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200)


class Metrics:
    """The Prometheus metrics of one app; an `Observer` of its `Generation`."""

    def __init__(self) -> None:
        # When a series began is of no use here, and would be one more series for each.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._generation: Generation | None = None
        self._concept, self._concept_set = BoundedLabel(), BoundedLabel()
        self._served = ServedMetrics(self._sets)
        for collector in (self._served, EngineMetrics(self._statistics), LoadedMetrics(self._loaded)):
            self._registry.register(collector)
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "trimtab_requests",
            "Generation requests by outcome: ok, or the error's code.",
            ["outcome"],
            registry=self._registry,
        )
        self._latency = Histogram(
            "trimtab_request_seconds",
            "Seconds from a generation request's arrival to its answer.",
            buckets=LATENCY_BUCKETS_S,
            registry=self._registry,
        )
        self._images = Counter("trimtab_images", "Images made.", registry=self._registry)
        self._applied = Counter(
            "trimtab_applied_concepts",
            "Images that a concept's vector was added to.",
            ["concept"],
            registry=self._registry,
        )
        self._screened = Counter(
            "trimtab_screened_images",
            "Images that a detector looked at, by outcome: passed, retried (passed later), flagged, blocked.",
            ["outcome"],
            registry=self._registry,
        )
        self._stages = Histogram(
            "trimtab_stage_seconds",
            "Seconds of a request in each stage: plan, queue, steps, decode, screen, encode.",
            ["stage"],
            buckets=LATENCY_BUCKETS_S,
            registry=self._registry,
        )
        self.in_flight = Gauge(
            "trimtab_requests_in_flight", "Generation requests waiting or running.", registry=self._registry
        )
        self._jobs = Counter(
            "trimtab_jobs",
            "Jobs that ended here, by how: done, failed, cancelled, set_aside.",
            ["outcome"],
            registry=self._registry,
        )
        self._degraded = Gauge(
            "trimtab_degraded",
            "1 while this process counts something alone, since the shared state is away: ledger, allowances.",
            ["part"],
            registry=self._registry,
        )
        self._http_requests = Counter(
            "trimtab_http_requests",
            "Answers of all routes; status is none where there was no answer.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._gate_decisions = Counter(
            "trimtab_gate_decisions",
            "Decisions from a request's prompt whether fairness applies to a concept set, by the kind of reason.",
            ["concept_set", "applies", "reason"],
            registry=self._registry,
        )
        self._floor_refusals = Counter(
            "trimtab_floor_refusals",
            "Requests for images that were refused because of the floor: opposed, unmet, sampling.",
            ["reason"],
            registry=self._registry,
        )
        # From 0 on: of a series that begins at 1 Prometheus sees no increase, and nobody is told of the first.
        for reason in get_args(FloorRefusal):
            self._floor_refusals.labels(reason)
        for outcome in ("failed", "set_aside"):
            self._jobs.labels(outcome)
        self._ready = Gauge("trimtab_ready", "1 when the model is loaded, else 0.", registry=self._registry)

    def count_request(self, outcome: str, seconds: float) -> None:
        """Count one answered request, whatever became of it."""
        self._requests.labels(outcome).inc()
        self._latency.observe(seconds)

    def count_http_request(self, method: str, route: str, status: int | None) -> None:
        """Count one answer of any route, which is named by its template."""
        self._http_requests.labels(method, route, "none" if status is None else status).inc()

    def count_image(self, concepts: Iterable[str], members: Mapping[str, str], *, is_served: bool) -> None:
        """Count one image, the concepts added to it, and where it is served the members drawn for it by their sets."""
        self._images.inc()
        for concept in concepts:
            self._applied.labels(self._concept(concept)).inc()
        if is_served:
            self._served.count(members)

    def count_screened(self, outcome: str) -> None:
        """Count one image that a detector looked at."""
        self._screened.labels(outcome).inc()

    def observe_stage(self, stage: str, seconds: float) -> None:
        """Record how long one request spent in one stage."""
        self._stages.labels(stage).observe(seconds)

    def decided(self, decisions: Sequence[Decision]) -> None:
        """Count what was decided from one request's prompt."""
        for decision in decisions:
            concept_set = self._concept_set(decision.concept_set)
            applies = "yes" if decision.applies else "no"
            self._gate_decisions.labels(concept_set, applies, decision.kind).inc()

    def refused_by_floor(self, how: FloorRefusal) -> None:
        """Count one request that was refused because of the floor."""
        self._floor_refusals.labels(how).inc()

    def count_job(self, outcome: str) -> None:
        """Count one job that ended."""
        self._jobs.labels(outcome).inc()

    def set_ready(self, ready: bool) -> None:
        """Say whether requests can be served."""
        self._ready.set(1 if ready else 0)

    def watch(self, generation: Generation) -> None:
        """Tell of this engine, and of what is loaded, whenever the metrics are read."""
        self._generation = generation

    def watch_degraded(self, parts: Iterable[str], degraded: Callable[[], Collection[str]]) -> None:
        """Ask `degraded`, whenever the metrics are read, which of these parts are counted alone."""
        for part in parts:

            def counted_alone(part: str = part) -> float:
                return float(part in degraded())

            self._degraded.labels(part).set_function(counted_alone)

    def exposition(self) -> bytes:
        """Return the metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def _loaded(self) -> LoadedModel | None:
        return None if self._generation is None else self._generation.loaded

    def _statistics(self) -> Statistics | None:
        loaded = self._loaded()
        return None if loaded is None else loaded.engine.statistics

    def _sets(self) -> Mapping[str, Sequence[str]]:
        loaded = self._loaded()
        return {} if loaded is None else loaded.concepts.sets
