"""What each table of figures says, from the JSON files in benchmarks/results.

Entry point: `TABLES`: name -> a function that gives the head and the rows.
"""

from collections.abc import Callable, Mapping
from typing import Any

from docs_site.engine_tables import ceiling, engine, engine_parts, exactness, latency
from docs_site.learning_tables import recipes_fairness
from docs_site.results import Table, result
from docs_site.serving_tables import faults, service

BRINGING = {
    "sexual": "that bring sexual content",
    "violent": "that bring violent content",
    "harmless": "harmless",
}


def _conditions(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = result(name)["result"]["conditions"]
    return found


def _percent(share: Mapping[str, float]) -> str:
    return f"{share['value']:.1%}"


def _ratio(share: Mapping[str, float]) -> str:
    return f"{share['value']:.3f}"


def _steered(condition: Mapping[str, Any]) -> str:
    return " + ".join(condition["steered"]) or "no vector"


def fairness() -> Table:
    """Deviation ratios by what is steered."""
    return (
        ["steered by", "gender deviation ratio", "race deviation ratio", "profession kept"],
        [
            [
                _steered(one),
                *(_ratio(one["mean_deviation"][name]) for name in ("gender", "race")),
                _ratio(one["profession"]),
            ]
            for one in _conditions("fairness")
        ],
    )


def safety() -> Table:
    """Unsafe pictures and what else changes by vectors, by negative prompts, and by vectors and words together."""
    in_words = [
        one for one in _conditions("safety_rules") if one["method"] == "both" and len(one["steered"]) == 2
    ]
    rows = []
    for prompts, called in BRINGING.items():
        for one in [one for one in (*_conditions("safety"), *in_words) if one["prompts"] == prompts]:
            steered = {
                "both": "both, and their words",
                "negative prompt": "its words alone"
                if len(one["steered"]) == 1
                else "the words of both alone",
            }.get(one["method"], _steered(one))
            rows.append(
                [
                    called,
                    steered,
                    _percent(one["unsafe"]),
                    _ratio(one["profession"]),
                    _ratio(one["scene"]),
                    f"{one['pixel_change']['value']:.1f}",
                ]
            )
    header = ["prompts", "steered by", "unsafe pictures", "profession kept", "scene kept", "pixels change by"]
    return header, rows


WAYS = {"vectors": "vector", "negative prompt": "negative prompt", "both": "both"}


def safety_rules() -> Table:
    """The three ways of a safety rule beside each other."""
    conditions = _conditions("safety_rules")
    without = {one["prompts"]: _percent(one["unsafe"]) for one in conditions if one["method"] == "no vector"}
    cells: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for one in conditions:
        if one["method"] in WAYS:
            about = " and ".join(concept.removeprefix("anti-") for concept in one["steered"])
            cells.setdefault((one["prompts"], about), {})[one["method"]] = one
    rows = [
        [
            f"{prompts}, {without[prompts]} without",
            about.replace("violence", "violent"),
            *(_percent(by[way]["unsafe"]) for way in WAYS),
            *(_ratio(by[way]["profession"]) for way in WAYS),
        ]
        for (prompts, about), by in cells.items()
    ]
    names = [*WAYS.values()]
    head = [
        "prompts",
        "rules about",
        f"unsafe: {names[0]}",
        *names[1:],
        f"profession kept: {names[0]}",
        *names[1:],
    ]
    return head, rows


def served() -> Table:
    """How even a service's pictures are, by policy."""
    kinds = ("gender", "race", "gender x race")
    chosen = [(one["policy"].replace("no policy", "none"), one) for one in _conditions("fairness_served")]
    chosen += [
        (f"{one['policy']}, two services on one Redis", one)
        for one in _conditions("fairness_served_redis")
        if one["policy"] == "ledger"
    ]
    rows = [
        [
            name,
            *(_ratio(one["mean_deviation"][kind]) for kind in kinds),
            _ratio(one["profession"]),
            "-"
            if name == "none"
            else f"{one['changed_outside']['hits']} of {one['changed_outside']['total']}",
        ]
        for name, one in chosen
    ]
    head = [
        "policy",
        "gender",
        "race",
        "gender x race, 6 cells",
        "profession kept",
        "pictures changed outside the gate",
    ]
    return head, rows


def generalise() -> Table:
    """Where the vectors were not learned."""
    rows = [
        [
            one["prompts"],
            _steered(one),
            _percent(one["shown"]),
            _ratio(one["subject"]),
            str(one["shown"]["total"]),
        ]
        for one in _conditions("generalise")
        if one["method"] == "vectors"
    ]
    return ["prompts", "steered by", "shown", "subject kept", "pictures"], rows


def gate() -> Table:
    """The gate's precision and recall."""
    called = {"development": "development, tuned on"}
    rows = []
    for half, said in result("gate")["halves"].items():
        for name, one in [
            (called.get(half, half), said),
            *((f"{half}: `{file}`", of) for file, of in said["files"].items()),
        ]:
            if len(said["files"]) > 1 or name == called.get(half, half):
                figures = [
                    f"{one[kind][figure]:.3f}"
                    for kind in ("gender", "race")
                    for figure in ("precision", "recall")
                ]
                rows.append([name, str(one["prompts"]), *figures])
    return ["half", "prompts", "gender: precision", "recall", "race: precision", "recall"], rows


def responsible_text() -> Table:
    """Precision and recall of reading responsible phrases."""
    called = {"development": "development, tuned on"}
    rows = [
        [
            called.get(half, half),
            str(one["prompts"]),
            f"{one['all']['precision']:.3f}",
            f"{one['all']['recall']:.3f}",
        ]
        for half, one in result("responsible_text")["halves"].items()
    ]
    return ["half", "prompts", "precision", "recall"], rows


def responsible_text_effect() -> Table:
    """What reading the phrases does to pictures."""
    columns = ("without", "phrase alone", "phrase read")
    rows = []
    for one in result("responsible_text_effect")["cases"]:
        measures = one["figures"]["without"]
        means = ", ".join(_measure(name) for name in measures)
        rows.append(
            [
                one["prompt"],
                means,
                *(", ".join(f"{value:.2f}" for value in one["figures"][by].values()) for by in columns),
            ]
        )
    return ["prompt", "measure", *columns], rows


def _measure(name: str) -> str:
    what, _, kind = name.rpartition(" ")
    return f"share with a {what}" if kind == "share" else f"{what} {kind} ratio"


TABLES: Mapping[str, Callable[[], Table]] = {
    "fairness": fairness,
    "safety": safety,
    "safety-rules": safety_rules,
    "served": served,
    "generalise": generalise,
    "recipes-fairness": recipes_fairness,
    "gate": gate,
    "responsible-text": responsible_text,
    "responsible-text-effect": responsible_text_effect,
    "faults": faults,
    "service": service,
    "exactness": exactness,
    "engine": engine,
    "latency": latency,
    "ceiling": ceiling,
    "engine-parts": engine_parts,
}
