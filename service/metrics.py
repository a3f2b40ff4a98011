"""What the service counts, in a registry of its own so that two apps in one process do not mix.

Entry point: `Metrics`. Prompts and ids are never labels.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

LATENCY_BUCKETS_S = (0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200)


class Metrics:
    """The Prometheus metrics of one app."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
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
            "Seconds of a request in each stage: queue, generate, encode.",
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
        self._ready = Gauge("trimtab_ready", "1 when the model is loaded, else 0.", registry=self._registry)

    def count_request(self, outcome: str, seconds: float) -> None:
        """Count one answered request, whatever became of it."""
        self._requests.labels(outcome).inc()
        self._latency.observe(seconds)

    def count_image(self, concepts: Iterable[str]) -> None:
        """Count one image and the concepts added to it."""
        self._images.inc()
        for concept in concepts:
            self._applied.labels(concept).inc()

    def count_screened(self, outcome: str) -> None:
        """Count one image that a detector looked at."""
        self._screened.labels(outcome).inc()

    def observe_stages(self, seconds: Mapping[str, float]) -> None:
        """Record how long one request spent in each stage."""
        for stage, duration in seconds.items():
            self._stages.labels(stage).observe(duration)

    def count_job(self, outcome: str) -> None:
        """Count one job that ended."""
        self._jobs.labels(outcome).inc()

    def set_ready(self, ready: bool) -> None:
        """Say whether requests can be served."""
        self._ready.set(1 if ready else 0)

    def watch_degraded(self, parts: Iterable[str], degraded: Callable[[], Collection[str]]) -> None:
        """Ask `degraded`, whenever the metrics are read, which of these parts are counted alone."""
        for part in parts:

            def counted_alone(part: str = part) -> float:
                return float(part in degraded())

            self._degraded.labels(part).set_function(counted_alone)

    def exposition(self) -> bytes:
        """Return the metrics in Prometheus's text format."""
        return generate_latest(self._registry)
