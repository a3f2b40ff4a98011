"""The JSON files of benchmarks/results, and what a table is.

Entry points: `result`, `Table`.
"""

import json
from typing import Any

from docs_site.places import ROOT

Table = tuple[list[str], list[list[str]]]
"""A table's head and its rows."""


def result(name: str) -> Any:
    """What a benchmark wrote into benchmarks/results/NAME.json."""
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))
