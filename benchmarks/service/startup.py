"""From `trimtab serve` to ready: how long it takes, and what for."""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.service.part import Part
from benchmarks.service.replicas import new_replica

ALLOWED_S = 10.0
"""Of the demo model, on two cores that do nothing else."""

_TOLD = re.compile(r"started +in ([0-9.]+) s: (.*)")


def run(is_quick: bool) -> Part:
    """Start the service again and again."""
    totals, answered, parts = [], [], []
    with tempfile.TemporaryDirectory(prefix="trimtab-startup-") as folder:
        for number in range(2 if is_quick else 5):
            log = Path(folder) / f"{number}.log"
            served = new_replica(log)
            begin = time.perf_counter()
            try:
                served.start()
                served.until_ready()
                answered.append(time.perf_counter() - begin)
            finally:
                served.kill()
            found = _TOLD.search(log.read_text(encoding="utf-8"))
            assert found is not None, log.read_text(encoding="utf-8")
            totals.append(float(found[1]))
            parts.append(dict(part.rsplit(" ", 1) for part in found[2].split(", ")))
    names = list(dict.fromkeys(name for one in parts for name in one))
    median = {name: round(statistics.median(float(one.get(name, 0)) for one in parts), 2) for name in names}
    total_s = round(statistics.median(totals), 2)
    return Part(
        claim=f"ready within {ALLOWED_S:g} s, the median of {len(totals)} starts, and it says what for",
        holds=total_s <= ALLOWED_S,
        figures={
            "as it says itself, s": total_s,
            "until /readyz says so, s": round(statistics.median(answered), 2),
            "spent on, s": median,
            "every start, s": totals,
        },
    )
