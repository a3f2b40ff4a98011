"""Tables of what the service and the engine do: jobs whatever is killed, exactness, speed.

Entry points: `faults`, `exactness`, `engine`, `latency`.
"""

from collections.abc import Mapping

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
        ]
        for name, called in SERVERS.items()
    ]
    return ["server", "images a second", "times one at a time", "times closed batches"], rows


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
