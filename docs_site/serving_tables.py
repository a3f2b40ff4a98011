"""Tables of what the service and the engine do: jobs whatever is killed, exactness, speed.

Entry points: `faults`, `service`, `exactness`, `engine`, `latency`.
"""

from collections.abc import Callable, Mapping
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
    return (
        f"{figures['share']:.1%}: {figures['through HTTP, requests/s']:.1f} requests a second, "
        f"{figures['the engine alone, requests/s']:.1f} by the engine alone"
    )


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


def exactness() -> Table:
    """How far the engine's latents are from those of the diffusers pipeline."""
    rows = [
        [name, f"{one['alone']:.0e}", f"{one['in mixed company']:.0e}"]
        for name, one in result("exactness")["largest absolute difference of latents"].items()
    ]
    return ["scheduler", "largest difference of latents, alone", "in mixed company"], rows


SERVERS = {
    "lock, float32": "diffusers, one request at a time",
    "batches, float32": "diffusers, closed batches of requests that agree",
    "engine, float32": "the engine, fp32",
    "engine, bfloat16": "the engine, bf16",
}


def engine() -> Table:
    """Images a second by what serves."""
    said = result("engine")
    rows = [
        [
            called,
            *(f"{said[figure][name]:.2f}" for figure in ("images/s", "times the lock", "times the batches")),
            f"{said['share of the time in forward passes'][name]:.1%}",
        ]
        for name, called in SERVERS.items()
    ]
    head = ["server", "images a second", "times one at a time", "times closed batches"]
    return [*head, "of its time in forward passes"], rows


def latency() -> Table:
    """Latencies by load."""
    said = result("engine")["latency, float32"]
    rows = [
        [f"{share:.0%}", *(_latency(said[f"{server} at {share:g}"]) for server in ("batches", "engine"))]
        for share in sorted({float(name.rsplit(" ", 1)[1]) for name in said})
    ]
    return ["load", "closed batches, p50 and p95", "the engine, p50 and p95"], rows


def _latency(one: Mapping[str, float]) -> str:
    return f"{one['p50_s']:.1f} s, {one['p95_s']:.1f} s"
