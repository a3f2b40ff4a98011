"""Tables of what the engine does: exactness, images a second, latency, the ceiling, and what its parts cost or gain.

Entry points: `exactness`, `engine`, `latency`, `ceiling`, `engine_parts`.
"""

from collections.abc import Mapping

from docs_site.results import Table, result


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


PRECISIONS = {"float32": "fp32", "bfloat16": "bf16"}


def ceiling() -> Table:
    """Images a second of forward passes alone, by their rows, and of the engine beside its own rows' ceiling."""
    said = result("engine")
    alone = {dtype: said[f"ceiling images/s, {dtype}"] for dtype in PRECISIONS}
    common = sorted(set.intersection(*(set(by_rows) for by_rows in alone.values())), key=int)
    rows = [[f"{size}", *(f"{by_rows[size]:.2f}" for by_rows in alone.values())] for size in common]
    usual = {dtype: str(said[f"rows of the engine's passes, {dtype}"]) for dtype in PRECISIONS}
    rows.append(
        [
            f"the engine's mean, {' and '.join(usual.values())}",
            *(f"{alone[dtype][size]:.2f}" for dtype, size in usual.items()),
        ]
    )
    attained = {dtype: said["images/s"][f"engine, {dtype}"] for dtype in PRECISIONS}
    rows.append(
        [
            "the engine",
            *(f"{rate:.2f}, {rate / alone[dtype][usual[dtype]]:.0%}" for dtype, rate in attained.items()),
        ]
    )
    return ["U-Net rows of a pass", *PRECISIONS.values()], rows


def engine_parts() -> Table:
    """What steering costs, what the evaluation gains, and what 10,000 images leave behind."""
    pictures, soak = result("pictures")["times diffusers"], result("soak")
    costs = [result(name)["steered / unsteered, median of pairs"] for name in ("steering", "steering_bf16")]
    growth = soak["growth of the peak from the first to the second half"]
    return ["what", "figure"], [
        [
            "a step of 32 images, all steered, over an unsteered one",
            "{:.3f} in fp32, {:.3f} in bf16".format(*costs),
        ],
        [
            "pictures of the evaluation, times diffusers prompt by prompt",
            f"{pictures['engine']:.2f} in fp32, {pictures['engine, bf16']:.2f} in bf16",
        ],
        [
            f"{soak['images']:,} images that come, go, are cancelled and come too late",
            f"memory's peak {growth:+.1%}, {len(soak['threads at the end'])} threads left",
        ],
    ]
