"""What is loaded, as metrics whose labels say it: the model, the vectors' versions, the policies.

Entry point: `LoadedMetrics`, a Prometheus collector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.observability.labels import MAX_NAMES, OTHER

if TYPE_CHECKING:
    from service.loading import LoadedModel

_DIGEST = len("sha256:") + 12
"""As much of a digest as tells two apart."""


class LoadedMetrics(Collector):
    """Asks what is loaded whenever the metrics are read, so that no version stays that is served no more."""

    def __init__(self, read: Callable[[], LoadedModel | None]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        loaded = self._read()
        program = GaugeMetricFamily("trimtab_build_info", "1 for the version of Trimtab.", labels=["version"])
        program.add_metric([version("trimtab")], 1)
        model = GaugeMetricFamily(
            "trimtab_model_info", "1 for the model that is loaded.", labels=["model", "base_model"]
        )
        vectors = GaugeMetricFamily(
            "trimtab_vector_info",
            "1 for the version of each vector that new requests get.",
            labels=["concept", "version", "digest"],
        )
        policies = GaugeMetricFamily(
            "trimtab_policy_info",
            "1 for each configured policy; role is default, floor or named.",
            labels=["policy", "version", "digest", "role"],
        )
        if loaded is not None:
            model.add_metric([loaded.name, loaded.model.fingerprint[:_DIGEST]], 1)
            _add(
                vectors,
                [[one.name, str(one.version), one.digest[:_DIGEST]] for one in loaded.vectors.values()],
            )
            _add(policies, _policies(loaded))
        yield from (program, model, vectors, policies)


def _policies(loaded: LoadedModel) -> list[list[str]]:
    configured = loaded.policies
    told = [
        [
            name,
            str(policy.version or ""),
            policy.digest[:_DIGEST],
            "default" if name == configured.default else "named",
        ]
        for name, policy in configured.named.items()
    ]
    if configured.floor is not None:
        floor = configured.floor
        told.insert(0, [floor.name or "", str(floor.version or ""), floor.digest[:_DIGEST], "floor"])
    return told


def _add(family: GaugeMetricFamily, told: Sequence[Sequence[str]]) -> None:
    """Add the first so many, and the number of all others as one."""
    for labels in told[:MAX_NAMES]:
        family.add_metric(labels, 1)
    if len(told) > MAX_NAMES:
        width = len(told[0])
        family.add_metric([OTHER, *[""] * (width - 1)], len(told) - MAX_NAMES)
