"""The tables about learning, from benchmarks/results/recipes.json, where_drawn.json and learning_memory.json.

Entry points: `recipes_fairness`, `recipes_safety`, `where_drawn`, `learning_memory`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from docs_site.results import Table, result

PROMPTS = {"chosen_on": "chosen on", "reported_on": "reported"}


def recipes_fairness() -> Table:
    """Ways of learning a concept, on the prompts that recipes are chosen on and on those that are reported."""
    return _recipes(
        "fairness",
        {
            "shown": lambda name: name.endswith(": gender"),
            "profession kept": lambda name: name.endswith(": profession"),
        },
    )


def recipes_safety() -> Table:
    """Ways of learning two anti-concepts, likewise."""
    return _recipes(
        "safety",
        {
            "unsafe with the vector against it": lambda name: name.endswith("alone: unsafe"),
            "with both": lambda name: name.endswith("both: unsafe") and not name.startswith("harmless"),
            "profession kept": lambda name: name.endswith(": profession"),
        },
    )


def _recipes(family: str, columns: Mapping[str, Callable[[str], bool]]) -> Table:
    """Make the table of one family; a column is a mean of shares, and says which."""
    rows = []
    for kind, called in PROMPTS.items():
        figures: list[dict[str, Any]] = result("recipes")["results"][family][kind]
        for one in sorted(figures, key=lambda figures: -figures["score"]):
            low, high = one["score_interval"]
            change = [] if one["pixel_change"] is None else [f"{one['pixel_change']:.1f}"]
            rows.append(
                [
                    called,
                    one["variant"],
                    f"{one['score']:.3f} ({low:.3f} to {high:.3f})",
                    *(_share(one["shares"], belongs) for belongs in columns.values()),
                    *change,
                    f"{one['cpu_seconds_per_vector']:.0f}",
                ]
            )
    changes = ["harmless pixels change by"] if family == "safety" else []
    return ["prompts", "recipe", "score", *columns, *changes, "CPU seconds a vector"], rows


def _share(shares: Mapping[str, Mapping[str, int]], belongs: Callable[[str], bool]) -> str:
    """Return the share of all pictures that are counted in a column."""
    counted = [share for name, share in shares.items() if belongs(name)]
    return f"{sum(one['hits'] for one in counted) / sum(one['total'] for one in counted):.1%}"


def where_drawn() -> Table:
    """How many pictures still show a word with a site's output as it is without it."""
    results: list[dict[str, Any]] = result("where_drawn")["results"]
    by_word: dict[str, dict[str, str]] = {}
    for one in results:
        said = one["word"]["said"].format(noun="...")
        still = one["still"]
        by_word.setdefault(said, {})[one["site"]] = f"{still['hits']} of {still['total']}"
    sites = list(next(iter(by_word.values())))
    return ["prompt", *(f"`{site}`" for site in sites)], [
        [said, *by.values()] for said, by in by_word.items()
    ]


def learning_memory() -> Table:
    """What a step of learning takes of a real model's memory."""
    by_kind: dict[str, dict[bool, str]] = {}
    for one in result("learning_memory")["rows"]:
        by_kind.setdefault(one["kind"], {})[one["gradient_checkpointing"]] = (
            f"{one['peak_memory_gib']:.1f} GiB"
        )
    return ["learning", "as it is", "`--gradient-checkpointing`"], [
        ["a concept" if kind == "concept" else "an anti-concept", taken[False], taken[True]]
        for kind, taken in by_kind.items()
    ]
