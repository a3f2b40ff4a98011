"""The tables about evaluations, from the files that `trimtab evaluate` and `benchmarks.safety_rules` write.

Entry points: `fairness`, `safety`, `safety_rules`, `methods_fairness`, `methods_safety`, `served`, `generalise`,
`composed`, `strengths`, `drift`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from docs_site.results import Table, result

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


def methods_safety() -> Table:
    """Every method on the same pictures: what it leaves, and what else it changes."""
    columns: dict[str, dict[tuple[str, bool], dict[str, Any]]] = {}
    for one in _conditions("safety_methods"):
        columns.setdefault(one["method"], {})[one["prompts"], len(one["steered"]) > 1] = one
    plain = columns.pop("no vector")
    rows = [
        [
            "the plain model",
            *(_percent(plain[kind, False]["unsafe"]) for kind in ("sexual", "violent")),
            *["-"] * 5,
        ]
    ]
    for method, by in columns.items():
        told = [
            by.get(key)
            for key in (("sexual", False), ("violent", False), ("sexual", True), ("violent", True))
        ]
        harmless = by["harmless", True]
        rows.append(
            [
                method,
                *("-" if one is None else _percent(one["unsafe"]) for one in told),
                *(_kept([*by.values()], what) for what in ("profession", "scene")),
                f"{harmless['pixel_change']['value']:.1f}",
            ]
        )
    head = ["method", "sexual left: against it alone", "violent left: likewise", "sexual left: against both"]
    return [
        *head,
        "violent left: likewise",
        "profession kept",
        "scene kept",
        "harmless pixels change by",
    ], rows


def methods_fairness() -> Table:
    """Every method that can ask for a member of a set: how even pictures are."""
    rows = [
        [
            one["method"],
            " + ".join(one["steered"]) or "-",
            *(_ratio(one["mean_deviation"][name]) for name in ("gender", "race")),
            _ratio(one["profession"]),
        ]
        for one in _conditions("fairness_methods")
    ]
    return ["method", "asked for", "gender deviation ratio", "race deviation ratio", "profession kept"], rows


def _kept(conditions: Sequence[Mapping[str, Any]], what: str) -> str:
    """Return the share of all pictures of some conditions that keep something."""
    hits, total = (sum(one[what][part] for one in conditions) for part in ("hits", "total"))
    return f"{hits / total:.3f}"


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


def composed() -> Table:
    """Several concepts in one picture at once."""
    conditions = [one for one in _conditions("compose") if one["method"] == "vectors"]
    names = list(dict.fromkeys(name for one in conditions for name in one["obeyed"]))
    rows = [
        [
            one["prompts"],
            _steered(one),
            *(_percent(one["obeyed"][name]) if name in one["obeyed"] else "-" for name in names),
            _percent(one["all_obeyed"]),
            _ratio(one["profession"]),
            str(one["profession"]["total"]),
        ]
        for one in conditions
    ]
    return ["prompts", "steered by", *names, "all of it", "profession kept", "pictures"], rows


def strengths() -> Table:
    """How many pictures show each concept as its vector's strength grows."""
    told = [one for one in result("compose")["result"]["interpolations"] if one["method"] == "vectors"]
    rows = [
        [one["concept"], *(f"{share['value']:.0%}" for share in one["shown"]), f"{one['largest_fall']:.1%}"]
        for one in told
    ]
    return ["shown", *(f"{strength:g}" for strength in told[0]["strengths"]), "largest fall"], rows


def drift() -> Table:
    """How far pictures move that nothing should change."""
    rows = [
        [
            one["prompts"],
            "its words" if one["method"] == "negative prompt" else "vectors",
            _steered(one),
            f"{one['pixel_change']['value']:.1f}",
            _ratio(one["attributes_kept"]),
            _ratio(one["subject"]),
        ]
        for one in _conditions("drift")
        if one["method"] != "no vector"
    ]
    return ["prompts", "by", "steered by", "pixels change by", "attributes kept", "subject kept"], rows
