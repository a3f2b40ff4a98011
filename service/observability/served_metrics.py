"""How even the served images are: what each concept set's members got, and how far that is from equal shares.

Entry points: `ServedMetrics`, a Prometheus collector, and `deviation_ratio`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Lock

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class ServedMetrics(Collector):
    """Counts what this process has served since it began; sets and members are those of the library, and no others."""

    def __init__(self, sets: Callable[[], Mapping[str, Sequence[str]]]) -> None:
        """`sets` returns the members of every concept set."""
        self._sets = sets
        self._served: Counter[tuple[str, str]] = Counter()
        self._lock = Lock()

    def count(self, members: Mapping[str, str]) -> None:
        """Count one served image, from concept set to the member that it was given."""
        with self._lock:
            self._served.update(members.items())

    def collect(self) -> Iterator[Metric]:
        """Yield the counts, and of every set of which something was served the shares and their deviation."""
        served = CounterMetricFamily(
            "trimtab_served_members",
            "Served images by the member of a concept set that they were given.",
            labels=["concept_set", "member"],
        )
        share = GaugeMetricFamily(
            "trimtab_served_share",
            "Share of a member in the served images that were given one of its concept set, since the process began.",
            labels=["concept_set", "member"],
        )
        deviation = GaugeMetricFamily(
            "trimtab_deviation_ratio",
            "How far the served shares of a concept set are from equal ones: 0 is even, 1 is one member alone.",
            labels=["concept_set"],
        )
        with self._lock:
            now = self._served.copy()
        for name, members in self._sets().items():
            counts = {member: now[name, member] for member in members}
            total = sum(counts.values())
            for member, count in counts.items():
                served.add_metric([name, member], count)
                if total:
                    share.add_metric([name, member], count / total)
            if total and len(members) > 1:
                deviation.add_metric([name], deviation_ratio(list(counts.values())))
        yield from (served, share, deviation)


def deviation_ratio(counts: Sequence[int]) -> float:
    """Return max_k |p_k - 1/C| / (1 - 1/C) of the shares p of C members, two or more, of which something was served.

    Li et al., "Self-Discovering Interpretable Diffusion Latent Directions for Responsible Text-to-Image Generation",
    CVPR 2024.
    """
    equal = 1 / len(counts)
    total = sum(counts)
    return max(abs(count / total - equal) for count in counts) / (1 - equal)
