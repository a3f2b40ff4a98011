"""The table about learning, from benchmarks/results/recipes.json.

Entry point: `recipes_fairness`.
"""

from collections.abc import Mapping
from typing import Any

from docs_site.results import Table, result

PROMPTS = {"chosen_on": "chosen on", "reported_on": "reported"}


def recipes_fairness() -> Table:
    """Ways of learning a concept, on the prompts that recipes are chosen on and on those that are reported."""
    rows = []
    for kind, called in PROMPTS.items():
        figures: list[dict[str, Any]] = result("recipes")["results"]["fairness"][kind]
        for one in sorted(figures, key=lambda figures: -figures["score"]):
            low, high = one["score_interval"]
            rows.append(
                [
                    called,
                    one["variant"],
                    f"{one['score']:.3f} ({low:.3f} to {high:.3f})",
                    _share(one["shares"], "gender"),
                    _share(one["shares"], "profession"),
                    f"{one['cpu_seconds_per_vector']:.0f}",
                ]
            )
    return ["prompts", "recipe", "score", "shown", "profession kept", "CPU seconds a vector"], rows


def _share(shares: Mapping[str, Mapping[str, int]], of: str) -> str:
    """Return the share of all pictures that are counted under a name."""
    counted = [share for name, share in shares.items() if name.endswith(f": {of}")]
    return f"{sum(one['hits'] for one in counted) / sum(one['total'] for one in counted):.1%}"
