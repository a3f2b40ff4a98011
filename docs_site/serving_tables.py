"""Tables of what the service does: jobs whatever is killed, load, misuse.

Entry points: `faults`, `service`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from docs_site.results import Table, result

FAULTS = {
    "replicas killed": "replicas killed (`SIGKILL`) in mid-image",
    "Redis stands still": "Redis stands still (`SIGSTOP`)",
    "Redis restarted, append-only file": "Redis killed and restarted with its append-only file",
    "Redis restarted empty": "Redis killed and restarted empty",
    "sentinel failover": "Redis killed, its replica takes over (sentinels)",
}


def faults() -> Table:
    """What becomes of jobs whatever is killed."""
    rows = []
    for one in result("faults")["cases"]:
        told = ", ".join(f"{count} (`{code}`)" for code, count in one["told"].items()) or "0"
        counted = [str(one[name]) for name in ("accepted", "finished")]
        rows.append([FAULTS[one["case"]], *counted, told, str(one["lost"]), str(one["doubled"])])
    return ["", "accepted", "finished exactly once, same bytes", "told why not", "lost", "doubled"], rows


def service() -> Table:
    """What each part of the service's report came to."""
    rows = [
        [f"`{name}`", "yes" if one["holds"] else "**no**", SHOWN[name](one["figures"]), one["date"]]
        for name, one in result("service").items()
    ]
    return ["part", "holds", "figures", "date"], rows


def _startup(figures: Mapping[str, Any]) -> str:
    return f"ready after {figures['until /readyz says so, s']:.1f} s, the median of {len(figures['every start, s'])}"


def _throughput(figures: Mapping[str, Any]) -> str:
    usual, few = figures["usual steps"], figures["few steps"]
    return (
        f"{usual['share']:.1%} with {_from_to(usual['steps'])} steps: "
        f"{usual['through HTTP, requests/s']:.2f} requests a second, "
        f"{usual['the engine alone, requests/s']:.2f} by the engine alone; "
        f"{few['share']:.1%} with {_from_to(few['steps'])}"
    )


def _from_to(ends: Sequence[int]) -> str:
    least, most = ends
    return f"{least} to {most}"


def _clients(figures: Mapping[str, Any]) -> str:
    steps = figures["from a client's vanishing to the next one's first step, in steps, median"]
    reads, unread = (figures[name] for name in figures if name.startswith("wait behind"))
    return f"{steps:.1f} steps; a wait of {unread:.1f} s behind who reads nothing, {reads:.1f} s behind who reads"


def _overload(figures: Mapping[str, Any]) -> str:
    answers = figures["answers"]
    return (
        f"{answers['ok']:,} answered, {sum(answers.values()) - answers['ok']:,} refused; p95 "
        f"{figures['latency of what is taken, p95, s']:.1f} s, bound {figures['its bound, s']:.1f} s; "
        f"memory's peak {figures['growth of its peak']:+.1%}"
    )


def _rolling(figures: Mapping[str, Any]) -> str:
    return f"{figures['requests']:,} requests, {figures['failed']} failed"


def _schema_fuzz(figures: Mapping[str, Any]) -> str:
    return f"{figures['requests']:,} requests, {len(figures['not as described'])} not as described"


def _mutated_files(figures: Mapping[str, Any]) -> str:
    tallies = [one for one in figures.values() if isinstance(one, Mapping)]
    total, accepted = (sum(one[name] for one in tallies) for name in ("total", "accepted"))
    crashed = sum(len(one["crashed"]) for one in tallies)
    return f"{total:,}: {total - accepted:,} refused, {accepted} sound, {crashed} crashed"


def _soak(figures: Mapping[str, Any]) -> str:
    first, last = figures["after a fifth"], figures["at the end"]
    growth = figures["growth of the memory's peak"]
    return (
        f"{figures['images']:,} images; memory's peak {growth:+.1%}; threads "
        f"{first['threads']} and {last['threads']}, file descriptors {first['file_descriptors']} and "
        f"{last['file_descriptors']}"
    )


SHOWN: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "startup": _startup,
    "throughput": _throughput,
    "clients": _clients,
    "overload": _overload,
    "rolling": _rolling,
    "schema_fuzz": _schema_fuzz,
    "mutated_files": _mutated_files,
    "soak": _soak,
}
